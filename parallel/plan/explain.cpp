#include "parallel/plan/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace trireme {
namespace {

constexpr double kGb = 1e9;
constexpr int kMostRanks = 65536;

// Seconds a picture over all replicas: what a picture costs the world.
std::map<std::string, double> cost_of(const PlanRequest& request, const Candidate& candidate) {
  auto terms = breakdown(request.workload, candidate.layout, request.cluster);
  for (auto& [name, seconds] : terms) seconds /= candidate.layout.replicas;
  if (request.goal == Goal::kThroughput)
    terms["loading"] =
        candidate.prediction.load_seconds / static_cast<double>(request.workload.pictures());
  return terms;
}

std::string too_large(const Candidate& candidate) {
  return fmt::format(
      "does not fit: {:.2f} GB on its fullest rank, {:.2f} GB there, {:.2f} GB too few",
      static_cast<double>(candidate.peak_bytes) / kGb,
      static_cast<double>(candidate.limit_bytes) / kGb,
      static_cast<double>(candidate.lacking_bytes) / kGb);
}

using Change = std::pair<std::string, std::function<bool(PlanRequest&)>>;

void add_quantizing(std::vector<Change>& changes, const PlanRequest& request) {
  const std::pair<const char*, Storage> kinds[] = {{"int8", Storage::kInt8},
                                                   {"nf4", Storage::kNf4Double}};
  for (const auto& [word, storage] : kinds) {
    for (size_t i = 0; i < request.workload.encoders.size(); ++i) {
      const auto& encoder = request.workload.encoders[i];
      if (!encoder.gated) continue;  // CLIP is small
      changes.push_back({fmt::format("components: {{{}: {{quantize: {}}}}}", encoder.name, word),
                         [i, kind = storage](PlanRequest& r) {
                           r.workload.encoders[i].storage = kind;
                           return true;
                         }});
    }
    changes.push_back({fmt::format("components: {{transformer: {{quantize: {}}}}}", word),
                       [kind = storage](PlanRequest& r) {
                         if (r.workload.transformer) r.workload.transformer->storage = kind;
                         return r.workload.transformer.has_value();
                       }});
  }
}

// More machines like the last one.
bool grow(PlanRequest& request, int ranks) {
  if (ranks > kMostRanks) return false;
  auto& nodes = request.cluster.nodes;
  const auto last = nodes.back();
  for (int missing = ranks - request.cluster.ranks(); missing > 0; missing -= last.devices) {
    nodes.push_back(last);
    nodes.back().devices = std::min(last.devices, missing);
  }
  request.choices.replicas.reset();
  return true;
}

std::vector<Change> changes_for(const PlanRequest& request) {
  std::vector<Change> changes;
  if (request.choices.offload.back() != Offload::kStaged)
    changes.push_back({"layout: {offload: staged}", [](PlanRequest& r) {
                         r.choices.offload = {Offload::kStaged};
                         return true;
                       }});
  if (request.choices.batch_size.value_or(1) > 1)
    changes.push_back({"layout: {batch_size: 1}", [](PlanRequest& r) {
                         r.choices.batch_size = 1;
                         return true;
                       }});
  add_quantizing(changes, request);
  changes.push_back({"components: {vae: {tiling: true}}", [](PlanRequest& r) {
                       if (r.workload.vae) r.workload.vae->tiles = true;
                       return r.workload.vae.has_value();
                     }});
  const int ranks = request.cluster.ranks();
  for (const int times : {2, 4, 8})
    changes.push_back({fmt::format("{} ranks instead of {}", times * ranks, ranks),
                       [=](PlanRequest& r) { return grow(r, times * ranks); }});
  return changes;
}

}  // namespace

std::string why_not(const PlanRequest& request, const Candidate& rival, const Candidate& chosen) {
  if (!rival.fits()) return too_large(rival);
  const auto mine = cost_of(request, chosen), theirs = cost_of(request, rival);
  std::string worst = "nothing";
  double most = 0;
  for (const auto& [name, seconds] : theirs) {
    const auto found = mine.find(name);
    const double more = seconds - (found == mine.end() ? 0 : found->second);
    if (more <= most) continue;
    most = more;
    worst = name;
  }
  if (most <= 0) return "as fast, and harder to follow";
  return fmt::format("{}: {:.3g} s a picture more", worst, most);
}

std::vector<Remedy> remedies_for(const PlanRequest& request, const Candidate& nearest) {
  std::vector<Remedy> helping, others;
  bool more_ranks_help = false;
  for (const auto& [text, change] : changes_for(request)) {
    auto changed = request;
    const bool about_ranks = text.find("ranks instead") != std::string::npos;
    if ((about_ranks && more_ranks_help) || !change(changed)) continue;
    const auto candidate = smallest(changed);
    const Remedy remedy{text, nearest.peak_bytes - candidate.peak_bytes};
    if (candidate.fits()) {
      helping.push_back(remedy);
      more_ranks_help = more_ranks_help || about_ranks;
    } else if (remedy.bytes > 0) {
      others.push_back(remedy);
    }
  }
  if (!helping.empty()) return helping;
  std::sort(others.begin(), others.end(),
            [](const Remedy& a, const Remedy& b) { return a.bytes > b.bytes; });
  return others;
}

}  // namespace trireme
