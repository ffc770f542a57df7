#include "parallel/plan/planner.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "parallel/plan/collapse.h"
#include "parallel/plan/explain.h"

namespace trireme {
namespace {

// Of two layouts this close the simpler one is taken.
constexpr double kAsGood = 1.045;
// Candidates within it are simulated up to this many.
constexpr int64_t kMostSimulated = 48;

struct Bounded {
  Layout layout;
  double bound;  // of `value`
};

double value_of(const PlanRequest& request, const Candidate& candidate) {
  if (request.goal == Goal::kMemory) return static_cast<double>(candidate.peak_bytes);
  return request.goal == Goal::kLatency ? candidate.prediction.seconds_per_image
                                        : candidate.prediction.job_seconds;
}

// Of the rank that has least room left. Ranks of a CPU share what its node has.
void weigh(const PlanRequest& request, Candidate& candidate) {
  const auto& layout = candidate.layout;
  const bool on_cpu = request.cluster.device(0).on_host();
  const auto firsts = distinct_replicas(layout, request.cluster);
  int64_t least_room = std::numeric_limits<int64_t>::max(), all_room = 0;
  const auto weigh_rank = [&](int rank) {
    const auto peak = memory_of(request.workload, layout, rank, on_cpu).peak(layout.offload);
    for (const int first : firsts) {
      const auto limit = request.cluster.device(first + rank).memory_bytes;
      if (first == firsts.front()) all_room += limit - peak;
      if (limit - peak >= least_room) continue;
      least_room = limit - peak;
      candidate.peak_bytes = peak;
      candidate.limit_bytes = limit;
    }
  };
  if (on_cpu) {
    for (int rank = 0; rank < layout.replica_size; ++rank) weigh_rank(rank);
  } else {
    for (const int rank : distinct_ranks(layout, request.workload)) weigh_rank(rank);
  }
  candidate.lacking_bytes = -(on_cpu ? all_room : least_room);
  if (request.most_bytes)
    candidate.lacking_bytes =
        std::max(candidate.lacking_bytes, candidate.peak_bytes - *request.most_bytes + 1);
}

// With the first kind of offload that fits, or the last one.
Candidate weighed(const PlanRequest& request, Layout layout) {
  Candidate candidate{.layout = std::move(layout), .prediction = {}};
  for (const auto offload : request.choices.offload) {
    candidate.layout.offload = offload;
    weigh(request, candidate);
    if (candidate.fits()) break;
  }
  return candidate;
}

// No prediction of the layout is below it.
double bound_of(const PlanRequest& request, const Layout& layout) {
  double seconds = 0;
  for (const auto& shape : request.workload.shapes) {
    const OperationCosts costs(request.workload, shape, layout, request.cluster, 0);
    if (request.goal == Goal::kLatency) return least_seconds_alone(costs, layout, shape);
    const auto samples = static_cast<int64_t>(layout.batch_size) * layout.replicas;
    const auto batches = (shape.pictures + samples - 1) / samples;
    seconds += static_cast<double>(batches) * layout.batch_size *
               least_seconds_per_image(costs, layout, shape);
  }
  return seconds;
}

std::vector<Bounded> bounded_layouts(const PlanRequest& request) {
  auto choices = request.choices;
  if (request.goal == Goal::kLatency && !choices.batch_size) choices.batch_size = 1;
  std::vector<Bounded> all;
  for (auto& layout : legal_layouts(request.workload, request.cluster.ranks(), choices)) {
    const double bound = request.goal == Goal::kMemory
                             ? static_cast<double>(weighed(request, layout).peak_bytes)
                             : bound_of(request, layout);
    all.push_back({std::move(layout), bound});
  }
  std::sort(all.begin(), all.end(), [](const Bounded& a, const Bounded& b) {
    return std::pair(a.bound, complexity(a.layout)) < std::pair(b.bound, complexity(b.layout));
  });
  return all;
}

// Those that fit, the best first; and those that do not and would have been looked at before.
struct Judged {
  std::vector<Candidate> fitting, too_large;
  int64_t considered = 0;
};

Judged judge(const PlanRequest& request, size_t wanted) {
  Judged judged;
  double best = std::numeric_limits<double>::infinity();
  const auto layouts = bounded_layouts(request);
  judged.considered = static_cast<int64_t>(layouts.size());
  for (const auto& [layout, bound] : layouts) {
    const bool enough = judged.fitting.size() >= wanted;
    if (enough && (bound > best * kAsGood || judged.fitting.size() >= kMostSimulated)) break;
    auto candidate = weighed(request, layout);
    if (!candidate.fits()) {
      judged.too_large.push_back(std::move(candidate));
      continue;
    }
    candidate.prediction = predict(request.workload, candidate.layout, request.cluster);
    best = std::min(best, value_of(request, candidate));
    judged.fitting.push_back(std::move(candidate));
  }
  std::stable_sort(judged.fitting.begin(), judged.fitting.end(),
                   [&](const Candidate& a, const Candidate& b) {
                     return value_of(request, a) < value_of(request, b);
                   });
  return judged;
}

// The simplest of those that are as good as the best, to the front.
void prefer_simple(const PlanRequest& request, std::vector<Candidate>& fitting) {
  const double best = value_of(request, fitting.front());
  const auto as_good = std::find_if(
      fitting.begin(), fitting.end(),
      [&](const Candidate& candidate) { return value_of(request, candidate) > best * kAsGood; });
  const auto simplest =
      std::min_element(fitting.begin(), as_good, [](const Candidate& a, const Candidate& b) {
        return complexity(a.layout) < complexity(b.layout);
      });
  std::rotate(fitting.begin(), simplest, simplest + 1);
}

int64_t room(const Candidate& candidate) {
  return candidate.limit_bytes - candidate.peak_bytes;
}

NothingFits nothing_fits(const PlanRequest& request) {
  auto nearest = smallest(request);
  nearest.prediction = predict(request.workload, nearest.layout, request.cluster);
  return {nearest, remedies_for(request, nearest)};
}

// Counts of a batch, beside its seconds.
void count(PlannedRank& planned, const OperationCosts& costs, int rank, double steps) {
  const auto effort = [&](OperationCosts::Work work) -> const Effort& {
    return costs.effort(work, rank);
  };
  const auto& encode = effort(OperationCosts::kEncode);
  const auto& decode = effort(OperationCosts::kDecode);
  const auto denoise = Effort(effort(OperationCosts::kBegin)) +=
      steps * effort(OperationCosts::kForward);
  planned.encode_flops = static_cast<double>(encode.flops);
  planned.denoise_flops = static_cast<double>(denoise.flops);
  planned.decode_flops = static_cast<double>(decode.flops);
  auto all = denoise;
  all += encode;
  all += decode;
  planned.sent = all.sent;
}

std::vector<PlannedRank> planned_ranks(const PlanRequest& request, const Layout& layout) {
  const auto& shape = request.workload.shapes.front();
  std::vector<PlannedRank> ranks;
  for (int replica = 0; replica < layout.replicas; ++replica) {
    const int first = replica * layout.replica_size;
    const OperationCosts costs(request.workload, shape, layout, request.cluster, first);
    for (int rank = 0; rank < layout.replica_size; ++rank) {
      const auto memory = replica == 0 ? memory_of(request.workload, layout, rank,
                                                   request.cluster.device(0).on_host())
                                       : ranks[rank].memory;
      ranks.push_back({.rank = first + rank,
                       .replica = replica,
                       .node = request.cluster.nodes[request.cluster.node_of(first + rank)].name,
                       .memory = memory,
                       .peak_bytes = memory.peak(layout.offload),
                       .limit_bytes = request.cluster.device(first + rank).memory_bytes,
                       .encode = costs.encode(rank),
                       .begin = costs.begin(rank),
                       .forward = costs.forward(rank),
                       .step = costs.step(rank),
                       .decode = costs.decode(rank),
                       .load = costs.load(rank)});
      count(ranks.back(), costs, rank, static_cast<double>(shape.steps));
    }
  }
  return ranks;
}

}  // namespace

std::variant<Plan, NothingFits> make_plan(const PlanRequest& request, int rivals) {
  auto judged = judge(request, static_cast<size_t>(rivals) + 1);
  if (judged.fitting.empty()) return nothing_fits(request);
  prefer_simple(request, judged.fitting);
  Plan plan{.chosen = judged.fitting.front(),
            .ranks = planned_ranks(request, judged.fitting.front().layout),
            .rivals = {},
            .considered = judged.considered,
            .simulated = static_cast<int64_t>(judged.fitting.size())};
  plan.chosen.why = "the best";
  const auto take = [&](const std::vector<Candidate>& from, size_t first) {
    for (size_t i = first; i < from.size() && static_cast<int>(plan.rivals.size()) < rivals; ++i) {
      plan.rivals.push_back(from[i]);
      plan.rivals.back().why = why_not(request, from[i], plan.chosen);
    }
  };
  // One that would be faster and does not fit is what a user asks for first.
  if (!judged.too_large.empty()) take({judged.too_large.front()}, 0);
  take(judged.fitting, 1);
  take(judged.too_large, 1);
  return plan;
}

Candidate smallest(PlanRequest request) {
  if (!request.choices.batch_size) request.choices.batch_size = 1;
  std::optional<Candidate> best;
  for (auto& layout : legal_layouts(request.workload, request.cluster.ranks(), request.choices)) {
    auto candidate = weighed(request, std::move(layout));
    if (!best || room(candidate) > room(*best)) best = std::move(candidate);
  }
  return best.value();
}

Plan plan_of(const PlanRequest& request, const Layout& layout) {
  Candidate chosen{.layout = layout, .prediction = {}};
  weigh(request, chosen);
  chosen.prediction = predict(request.workload, layout, request.cluster);
  chosen.why = "given";
  return {.chosen = chosen,
          .ranks = planned_ranks(request, layout),
          .rivals = {},
          .considered = 1,
          .simulated = 1};
}

}  // namespace trireme
