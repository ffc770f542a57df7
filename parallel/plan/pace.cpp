#include "parallel/plan/pace.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace trireme {
namespace {

using Kind = Op::Kind;

Costs costs_for(const OperationCosts& costs, const Collapsed& replica) {
  const auto of_ranks = costs.costs();
  const auto ranks = replica.ranks;
  return {.compute = [=](int rank, const Op& op) { return of_ranks.compute(ranks[rank], op); },
          .transfer =
              [=](int rank, Op op) {
                if (op.peer >= 0) op.peer = ranks[op.peer];
                return of_ranks.transfer(ranks[rank], op);
              }};
}

// When each batch was done, ascending.
std::vector<double> ends_of(const Trace& trace, Kind last) {
  std::map<int64_t, double> ends;
  for (const auto& lane : trace.lanes)
    for (const auto& span : lane)
      if (span.op.kind == last)
        ends[span.op.visit.batch] = std::max(ends[span.op.visit.batch], span.end);
  std::vector<double> sorted;
  for (const auto& [batch, end] : ends) sorted.push_back(end);
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

Kind last_kind(const Roles& roles) {
  const auto any = [&](auto predicate) {
    return std::any_of(roles.begin(), roles.end(), predicate);
  };
  if (any([](const Role& role) { return role.decodes; })) return Kind::kDecode;
  return any([](const Role& role) { return role.stage >= 0; }) ? Kind::kStep : Kind::kEncode;
}

// A job of more batches than tell it all is drawn out at the pace of its middle.
Pace simulated_pace(const Collapsed& replica, const OperationCosts& costs, int64_t batches,
                    int64_t steps) {
  const int64_t in_flight = batches_in_flight(replica.roles);
  const auto simulated = std::min(batches, 3 * in_flight + 1);
  const auto trace = run_on_costs(replica, costs, simulated, steps);
  const auto ends = ends_of(trace, last_kind(replica.roles));
  const auto count = static_cast<int64_t>(ends.size());
  Pace pace{.total = trace.seconds(), .bubble = trace.bubble()};
  // Batches that go round together end together: what is between two ends of such a round.
  const auto first = in_flight - 1, last = 2 * in_flight - 1;
  pace.per_batch = last < count ? (ends[last] - ends[first]) / static_cast<double>(in_flight)
                                : trace.seconds() / static_cast<double>(count);
  const auto rest = static_cast<double>(batches - simulated);
  const double drawn_out = pace.total + rest * pace.per_batch;
  // What the transformer's ranks idle at the beginning and the end is the less the longer it takes.
  pace.bubble *= pace.total / drawn_out;
  pace.total = drawn_out;
  return pace;
}

// Staged: of what waits between two stages, as src/render/staged.cpp has it.
constexpr int64_t kWindowBytes = 128 << 20;

int64_t batches_of_window(const Workload& work, const Shape& shape, const Layout& layout) {
  const auto channels = work.transformer ? work.transformer->latent_channels : 0;
  const auto bytes = work.embedding_bytes + channels * shape.latent_height * shape.latent_width *
                                                static_cast<int64_t>(sizeof(float));
  const auto samples =
      layout.window ? int64_t{*layout.window} : kWindowBytes / std::max<int64_t>(bytes, 1) + 1;
  return (samples + layout.batch_size - 1) / layout.batch_size;
}

// The replica with one component at work.
template <class Keep>
Collapsed only(Collapsed replica, Keep keep) {
  std::transform(replica.roles.begin(), replica.roles.end(), replica.roles.begin(), keep);
  return replica;
}

bool works(const Collapsed& replica) {
  return replica.roles != Roles(replica.roles.size());
}

// Component after component for a window of batches, each read anew.
Pace staged_pace(const Collapsed& replica, const OperationCosts& costs, const Workload& work,
                 const Shape& shape, const Layout& layout) {
  const auto batches = batches_of(shape, layout);
  const auto window = std::min(batches, batches_of_window(work, shape, layout));
  const auto encoders = only(replica, [](const Role& r) { return Role{.encodes = r.encodes}; });
  const auto transformer =
      only(replica, [](const Role& r) { return Role{.stage = r.stage, .place = r.place}; });
  const auto vae = only(replica, [](const Role& r) { return Role{.decodes = r.decodes}; });
  Pace pace;
  double seconds = slowest_load(costs, layout);
  if (works(encoders)) seconds += run_on_costs(encoders, costs, window, 1).seconds();
  if (works(transformer)) {
    const auto denoised = simulated_pace(transformer, costs, window, shape.steps);
    pace.bubble = denoised.bubble;
    seconds += denoised.total;
  }
  if (works(vae)) seconds += run_on_costs(vae, costs, window, 1).seconds();
  const auto windows = static_cast<double>(batches) / static_cast<double>(window);
  pace.total = std::ceil(windows) * seconds;
  pace.per_batch = seconds / static_cast<double>(window);
  return pace;
}

}  // namespace

int64_t batches_of(const Shape& shape, const Layout& layout) {
  const auto batches = (shape.pictures + layout.batch_size - 1) / layout.batch_size;
  return std::max<int64_t>((batches + layout.replicas - 1) / layout.replicas, 1);
}

Trace run_on_costs(const Collapsed& replica, const OperationCosts& costs, int64_t batches,
                   int64_t steps) {
  const auto programs = make_programs(replica.roles, batches_in_flight(replica.roles),
                                      std::vector<int64_t>(batches, steps));
  return simulate(replica.roles, programs, costs_for(costs, replica));
}

double slowest_load(const OperationCosts& costs, const Layout& layout) {
  double seconds = 0;
  for (int rank = 0; rank < layout.replica_size; ++rank)
    seconds = std::max(seconds, costs.load_seconds(rank));
  return seconds;
}

Pace pace_of(const Workload& work, const Shape& shape, const Layout& layout,
             const OperationCosts& costs, const Collapsed& replica) {
  if (layout.offload == Offload::kStaged) return staged_pace(replica, costs, work, shape, layout);
  return simulated_pace(replica, costs, batches_of(shape, layout), shape.steps);
}

}  // namespace trireme
