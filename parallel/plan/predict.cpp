#include "parallel/plan/predict.h"

#include <algorithm>

#include "parallel/plan/pace.h"

namespace trireme {
namespace {

using Kind = Op::Kind;

double batch_seconds(const OperationCosts& costs, int rank, int64_t steps) {
  return costs.seconds(Kind::kEncode, rank) + costs.seconds(Kind::kBegin, rank) +
         static_cast<double>(steps) *
             (costs.seconds(Kind::kForward, rank) + costs.seconds(Kind::kStep, rank)) +
         costs.seconds(Kind::kDecode, rank);
}

struct PaceAndLoad {
  Pace pace;
  double load;
};

// Batches are dealt out in turn, so the slowest replica sets the pace of all.
PaceAndLoad slowest_pace(const Workload& work, const Shape& shape, const Layout& layout,
                         const Cluster& cluster, const Collapsed& replica,
                         const std::vector<int>& firsts) {
  PaceAndLoad slowest{};
  for (const int first : firsts) {
    const OperationCosts costs(work, shape, layout, cluster, first);
    const auto pace = pace_of(work, shape, layout, costs, replica);
    if (pace.total > slowest.pace.total) slowest.pace = pace;
    slowest.load = std::max(slowest.load, slowest_load(costs, layout));
  }
  return slowest;
}

// The first replica makes the first picture.
double seconds_alone(const Workload& work, Layout layout, const Cluster& cluster,
                     const Collapsed& replica) {
  layout.batch_size = 1;
  const auto& shape = work.shapes.front();
  const OperationCosts costs(work, shape, layout, cluster, 0);
  const auto seconds = run_on_costs(replica, costs, 1, shape.steps).seconds();
  return layout.offload == Offload::kStaged ? seconds + slowest_load(costs, layout) : seconds;
}

}  // namespace

double least_seconds_alone(const OperationCosts& costs, const Layout& layout, const Shape& shape) {
  const auto roles = roles_of(layout);
  double evaluation = 0, begin = 0;
  for (int stage = 0; stage < layout.mesh.pipeline; ++stage) {
    const int rank = ranks_of_stage(roles, stage).front();
    evaluation += costs.seconds(Kind::kForward, rank) + costs.seconds(Kind::kStep, rank);
    begin = std::max(begin, costs.seconds(Kind::kBegin, rank));
  }
  return costs.seconds(Kind::kEncode, layout.text_encoders.front()) + begin +
         static_cast<double>(shape.steps) * evaluation +
         costs.seconds(Kind::kDecode, layout.vae.front());
}

double least_seconds_per_image(const OperationCosts& costs, const Layout& layout,
                               const Shape& shape) {
  double most = 0;
  for (int rank = 0; rank < layout.replica_size; ++rank)
    most = std::max(most, batch_seconds(costs, rank, shape.steps));
  return most / layout.batch_size;
}

std::map<std::string, double> breakdown(const Workload& work, const Layout& layout,
                                        const Cluster& cluster) {
  const auto& shape = work.shapes.front();
  const OperationCosts costs(work, shape, layout, cluster, 0);
  int busiest = 0;
  for (int rank = 1; rank < layout.replica_size; ++rank)
    if (batch_seconds(costs, rank, shape.steps) > batch_seconds(costs, busiest, shape.steps))
      busiest = rank;
  std::map<std::string, double> terms;
  const auto add = [&](const Terms& some, double times) {
    for (const auto& [name, seconds] : some) terms[name] += seconds * times / layout.batch_size;
  };
  const auto steps = static_cast<double>(shape.steps);
  add(costs.encode(busiest), 1);
  add(costs.begin(busiest), 1);
  add(costs.forward(busiest), steps);
  add(costs.step(busiest), steps);
  add(costs.decode(busiest), 1);
  const auto pace = pace_of(work, shape, layout, costs, collapsed(layout, work));
  const double busy = batch_seconds(costs, busiest, shape.steps) / layout.batch_size;
  const auto batches = static_cast<double>(batches_of(shape, layout));
  terms["waiting"] = std::max(pace.total / batches / layout.batch_size - busy, 0.0);
  return terms;
}

Prediction predict(const Workload& work, const Layout& layout, const Cluster& cluster) {
  const auto replica = collapsed(layout, work);
  const auto firsts = distinct_replicas(layout, cluster);
  Prediction prediction;
  double under_way = 0, weight = 0;  // replica-seconds of all pictures at their pace
  for (const auto& shape : work.shapes) {
    const auto [pace, load] = slowest_pace(work, shape, layout, cluster, replica, firsts);
    prediction.job_seconds += pace.total;
    prediction.load_seconds = std::max(prediction.load_seconds, load);
    prediction.bubble += pace.bubble * pace.total;
    under_way += static_cast<double>(shape.pictures) * pace.per_batch / layout.batch_size;
    weight += static_cast<double>(shape.pictures);
  }
  prediction.bubble /= prediction.job_seconds;
  if (layout.offload != Offload::kStaged) prediction.job_seconds += prediction.load_seconds;
  prediction.images_per_hour = 3600 * weight * layout.replicas / under_way;
  prediction.seconds_per_image = seconds_alone(work, layout, cluster, replica);
  return prediction;
}

Trace predicted_trace(const Workload& work, const Layout& layout, const Cluster& cluster,
                      int batches) {
  const auto& shape = work.shapes.front();
  const OperationCosts costs(work, shape, layout, cluster, 0);
  const auto roles = roles_for(layout, work);
  const auto programs =
      make_programs(roles, batches_in_flight(roles), std::vector<int64_t>(batches, shape.steps));
  return simulate(roles, programs, costs.costs());
}

}  // namespace trireme
