#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "src/report/human.h"
#include "src/report/plan_report.h"
#include "src/report/table.h"

namespace trireme {
namespace {

constexpr double kGb = 1e9;
constexpr int kPixelsPerLatent = 8;
constexpr size_t kMostRows = 64;

// Three digits, and people's units from ten seconds on.
std::string duration(double seconds) {
  return seconds < 10 ? fmt::format("{:.3g} s", seconds) : human_duration(seconds);
}

std::string gb(int64_t bytes) {
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) / kGb);
}

std::string job_line(const PlanRequest& request) {
  const auto& work = request.workload;
  const auto& shape = work.shapes.front();
  auto text = fmt::format("{}: {} picture{} of {} x {} pixels", work.model, work.pictures(),
                          work.pictures() == 1 ? "" : "s", shape.latent_width * kPixelsPerLatent,
                          shape.latent_height * kPixelsPerLatent);
  if (work.transformer)
    text += fmt::format(", {} steps{}", shape.steps, shape.branches == 2 ? " with guidance" : "");
  if (work.shapes.size() > 1) text += fmt::format(" (and {} other kinds)", work.shapes.size() - 1);
  return text;
}

// "2 x 8 H200 SXM (141.00 GB)"
std::string cluster_line(const Cluster& cluster) {
  std::vector<std::pair<std::string, int>> kinds;
  for (const auto& node : cluster.nodes) {
    const auto kind = fmt::format("{} {} ({} each)", node.devices, node.device.name,
                                  gb(node.device.memory_bytes));
    if (kinds.empty() || kinds.back().first != kind) kinds.push_back({kind, 0});
    ++kinds.back().second;
  }
  std::vector<std::string> parts;
  for (const auto& [kind, count] : kinds)
    parts.push_back(count == 1 ? kind : fmt::format("{} nodes of {}", count, kind));
  return fmt::format("{}", fmt::join(parts, ", "));
}

// What a rank of the replica holds: "encoders, blocks 0-11 (heads 1 of 2), VAE".
std::string holdings(const PlanRequest& request, const Layout& layout, int rank) {
  std::vector<std::string> parts;
  const auto share = [](const Coordinate& place, const char* what) {
    return place.ranks == 1 ? std::string()
                            : fmt::format(" {} {}/{}", what, place.rank + 1, place.ranks);
  };
  const auto& work = request.workload;
  if (const auto place = place_among(layout.text_encoders, rank); place && !work.encoders.empty())
    parts.push_back("encoders" + share(*place, "part"));
  if (const auto place = place_among(layout.transformer, rank); place && work.transformer) {
    const auto at = coordinates_of(layout, rank);
    const auto blocks = stages_of(layout.mesh, work.transformer->block_costs)[at.pipeline.rank];
    auto text = fmt::format("blocks {}-{}", blocks.begin, blocks.end() - 1);
    if (layout.mesh.guidance > 1)
      text += place->rank < place->ranks / 2 ? " negative" : " positive";
    text += share(at.sequence(), "tokens") + share(at.tensor, "heads");
    parts.push_back(text);
  }
  if (const auto place = place_among(layout.vae, rank); place && work.vae)
    parts.push_back("VAE" + share(*place, "rows"));
  return parts.empty() ? "nothing" : fmt::format("{}", fmt::join(parts, ", "));
}

double denoise_seconds(const PlannedRank& rank, int64_t steps) {
  return sum(rank.begin) + static_cast<double>(steps) * (sum(rank.forward) + sum(rank.step));
}

// One replica stands for all; of a very large one the first ranks.
std::string rank_table(const Plan& plan, const PlanRequest& request) {
  const auto& layout = plan.chosen.layout;
  const auto steps = request.workload.shapes.front().steps;
  std::vector<TableRow> rows = {
      {"rank", "node", "weights", "peak", "of", "encode", "denoise", "decode", "holds"}};
  const auto count = std::min<size_t>(layout.replica_size, kMostRows);
  for (size_t r = 0; r < count; ++r) {
    const auto& rank = plan.ranks[r];
    const auto& m = rank.memory;
    rows.push_back({std::to_string(rank.rank), rank.node,
                    gb(m.encode.weights + m.denoise.weights + m.decode.weights),
                    gb(rank.peak_bytes), gb(rank.limit_bytes),
                    fmt::format("{:.3g} s", sum(rank.encode)),
                    fmt::format("{:.3g} s", denoise_seconds(rank, steps)),
                    fmt::format("{:.3g} s", sum(rank.decode)),
                    holdings(request, layout, static_cast<int>(r))});
  }
  auto text = table(rows);
  if (count < static_cast<size_t>(layout.replica_size))
    text += fmt::format("... and {} ranks more\n", layout.replica_size - static_cast<int>(count));
  if (layout.replicas > 1)
    text += fmt::format("and the same in {} more replicas\n", layout.replicas - 1);
  return text + "seconds are those of a batch\n";
}

std::string terms_line(const char* operation, const Terms& terms) {
  std::vector<std::string> parts;
  for (const auto& [name, seconds] : terms)
    if (seconds > 0) parts.push_back(fmt::format("{} {:.3g}", name, seconds));
  if (parts.empty()) return "";
  return fmt::format("  {:<8} {}\n", operation, fmt::join(parts, ", "));
}

// Of ranks with the same terms one.
std::string all_terms(const Plan& plan) {
  std::string text = "\nseconds, by term\n";
  std::map<std::string, std::vector<int>> alike;
  std::vector<std::string> order;
  for (int r = 0; r < plan.chosen.layout.replica_size; ++r) {
    const auto& rank = plan.ranks[r];
    const auto terms = terms_line("load", rank.load) + terms_line("encode", rank.encode) +
                       terms_line("begin", rank.begin) + terms_line("forward", rank.forward) +
                       terms_line("step", rank.step) + terms_line("decode", rank.decode);
    if (alike[terms].empty()) order.push_back(terms);
    alike[terms].push_back(r);
  }
  for (const auto& terms : order)
    text += fmt::format("rank{} {}\n{}", alike[terms].size() == 1 ? "" : "s",
                        fmt::join(alike[terms], ", "), terms);
  return text + "forward and step are of one evaluation\n";
}

std::string time_lines(const Plan& plan, const PlanRequest& request) {
  const auto& p = plan.chosen.prediction;
  auto text =
      fmt::format("one picture alone {}, {:.0f} pictures/h, all of the job {} ({} to load)\n",
                  duration(p.seconds_per_image), p.images_per_hour, duration(p.job_seconds),
                  duration(p.load_seconds));
  const auto terms = breakdown(request.workload, plan.chosen.layout, request.cluster);
  std::vector<std::pair<double, std::string>> sorted;
  for (const auto& [name, seconds] : terms) sorted.push_back({seconds, name});
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<std::string> parts;
  for (const auto& [seconds, name] : sorted)
    if (seconds > 1e-3 * sorted.front().first)
      parts.push_back(fmt::format("{} {:.3g}", name, seconds));
  return text + fmt::format("busiest rank, seconds a picture: {}\nbubble {:.1f} %\n",
                            fmt::join(parts, ", "), 100 * p.bubble);
}

std::string why_lines(const Plan& plan) {
  if (plan.considered == 1) return "";
  auto text = fmt::format("\nbest of {} layouts ({} simulated); the nearest others\n",
                          plan.considered, plan.simulated);
  std::vector<TableRow> rows = {{"pictures/h", "one picture", "peak", "why not"}};
  for (const auto& rival : plan.rivals) {
    const auto& p = rival.prediction;
    rows.push_back({rival.fits() ? fmt::format("{:.0f}", p.images_per_hour) : "-",
                    rival.fits() ? duration(p.seconds_per_image) : "-", gb(rival.peak_bytes),
                    fmt::format("{} ({})", rival.why, in_words(rival.layout))});
  }
  return text + table(rows);
}

}  // namespace

std::string in_words(const Plan& plan, const PlanRequest& request, bool every_term) {
  auto text = fmt::format("{}\non {}\n\nlayout: {}\n{}\n\n{}\n{}{}", job_line(request),
                          cluster_line(request.cluster), in_words(plan.chosen.layout),
                          to_string(plan.chosen.layout), rank_table(plan, request),
                          time_lines(plan, request), why_lines(plan));
  return every_term ? text + all_terms(plan) : text;
}

std::string in_one_line(const Plan& plan) {
  const auto& [layout, prediction, peak, limit, lacking, why] = plan.chosen;
  return fmt::format("{} (expected: {} a picture, {} of {})", in_words(layout),
                     duration(3600 / prediction.images_per_hour), gb(peak), gb(limit));
}

}  // namespace trireme
