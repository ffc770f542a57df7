#include "src/config/check_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

#include "src/config/job.h"

namespace trireme {
namespace {

// A named component, reduced to what the arithmetic needs.
struct Part {
  std::string place;
  RankChoice ranks;
  int64_t degree;
  std::string product;  // "guidance 2 x pipeline 2 x sequence 2 x tensor 1 = 8"
};

std::vector<Part> parts_of(const LayoutChoice& layout) {
  std::vector<Part> parts;
  if (const auto& c = layout.text_encoders) {
    parts.push_back(
        {"layout.text_encoders", c->ranks, c->degree(), fmt::format("tensor {}", c->tensor)});
  }
  if (const auto& c = layout.transformer) {
    parts.push_back({"layout.transformer", c->ranks, c->degree(),
                     fmt::format("guidance {} x pipeline {} x sequence {} x tensor {} = {}",
                                 c->guidance, c->pipeline, c->sequence, c->tensor, c->degree())});
  }
  if (const auto& c = layout.vae) {
    parts.push_back({"layout.vae", c->ranks, c->degree(), fmt::format("patch {}", c->patch)});
  }
  return parts;
}

int replicas_of(const LayoutChoice& layout, bool named) {
  return layout.replicas.value_or(named ? 1 : 0);
}

std::string world_text(int world_size, int replicas) {
  return fmt::format("{} rank{} / {} replica{}", world_size, world_size == 1 ? "" : "s", replicas,
                     replicas == 1 ? "" : "s");
}

// `replica_size` 0: not known; then only ranks written out are counted.
void check_product(const Part& part, int replica_size, const std::string& why,
                   std::vector<Problem>& problems) {
  int64_t count = part.ranks.all ? replica_size : static_cast<int64_t>(part.ranks.list.size());
  if (count == 0 || part.degree == count) return;
  std::string all = part.ranks.all ? fmt::format(" (all of a replica's: {})", why) : "";
  problems.push_back(
      {part.place,
       fmt::format("{} -> the number of its ranks, {}{} -> an axis that is not named "
                   "is 1",
                   part.product, count, all),
       {}});
}

bool check_inside(const Part& part, int replica_size, const std::string& why,
                  std::vector<Problem>& problems) {
  if (part.ranks.all) return true;
  int highest = *std::max_element(part.ranks.list.begin(), part.ranks.list.end());
  if (highest < replica_size) return true;
  problems.push_back({part.place + ".ranks",
                      fmt::format("rank {} -> ranks 0 to {} of a replica ({} = {})", highest,
                                  replica_size - 1, why, replica_size),
                      {}});
  return false;
}

// Ranks that all three components leave out would wait for ever.
void check_idle(const std::vector<Part>& parts, int replica_size, const std::string& why,
                std::vector<Problem>& problems) {
  if (parts.size() < 3) return;
  std::set<int> used;
  for (const Part& part : parts) {
    if (part.ranks.all) return;
    used.insert(part.ranks.list.begin(), part.ranks.list.end());
  }
  std::vector<int> idle;
  for (int rank = 0; rank < replica_size && idle.size() < 9; ++rank) {
    if (!used.count(rank)) idle.push_back(rank);
  }
  if (idle.empty()) return;
  problems.push_back(
      {"layout",
       fmt::format("no component on rank{} {} -> work for each of a replica's {} ranks "
                   "({}) -> replicas times a replica's ranks is the world size",
                   idle.size() == 1 ? "" : "s", fmt::join(idle, ", "), replica_size, why),
       {}});
}

}  // namespace

std::vector<Problem> layout_problems(const LayoutChoice& layout, std::optional<int> world_size) {
  std::vector<Problem> problems;
  if (layout.mode != LayoutChoice::Mode::kExplicit) return problems;
  std::vector<Part> parts = parts_of(layout);
  int replicas = replicas_of(layout, !parts.empty());
  if (!world_size || replicas == 0) {
    for (const Part& part : parts) check_product(part, 0, "", problems);
    return problems;
  }
  if (*world_size % replicas != 0) {
    problems.push_back(
        {"layout.replicas",
         fmt::format("{} -> a number that divides the world size, {}", replicas, *world_size),
         {}});
    return problems;
  }
  int replica_size = *world_size / replicas;
  std::string why = world_text(*world_size, replicas);
  bool inside = true;
  for (const Part& part : parts) {
    inside = check_inside(part, replica_size, why, problems) && inside;
    check_product(part, replica_size, why, problems);
  }
  if (inside) check_idle(parts, replica_size, why, problems);
  return problems;
}

std::vector<int> resolve_ranks(const RankChoice& ranks, int replica_size) {
  if (!ranks.all) return ranks.list;
  std::vector<int> list(static_cast<size_t>(replica_size));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

void check_layout(const Job& job, int world_size) {
  std::vector<Problem> problems = layout_problems(job.layout, world_size);
  // What a newcomer meets who leaves mpirun out.
  if (world_size == 1) {
    for (Problem& problem : problems)
      problem.message += "; this is one rank: start more with mpirun -n, or --set layout=auto";
  }
  if (!problems.empty()) throw job_error(job.source, problems);
}

}  // namespace trireme
