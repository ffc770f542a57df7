// The planner's pick against an exhaustive simulation of every legal layout: models, sizes, numbers
// of pictures and machines. docs/planner.md has the figures that this prints.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/plan/planner.h"
#include "tests/parallel/plan/workloads.h"

namespace trireme {
namespace {

struct Model {
  const char* name;
  int64_t width, blocks;
};
constexpr Model kModels[] = {{"medium", 1536, 24}, {"large", 2432, 38}, {"narrow", 1152, 28}};

struct Machines {
  const char* device;
  int ranks;
  double memory_gb;  // of each device; 0: what it has
};
constexpr Machines kMachines[] = {{"h200", 1, 0},    {"h200", 4, 0},  {"h100", 3, 0},
                                  {"a100-80", 2, 0}, {"l40s", 4, 0},  {"l40", 4, 24},
                                  {"4090", 2, 0},    {"4090", 4, 12}, {"cpu", 2, 0}};

PlanRequest request_for(const Model& model, int64_t side, int64_t pictures, const Machines& m) {
  auto device = device_by_name(m.device).value();
  if (m.memory_gb > 0) device.memory_bytes = static_cast<int64_t>(m.memory_gb * 1e9);
  if (device.memory_bytes == 0) device.memory_bytes = int64_t{64} << 30;
  PlanRequest request{.workload = medium_job(pictures, side),
                      .cluster = cluster_of(device, m.ranks),
                      .goal = pictures == 1 ? Goal::kLatency : Goal::kThroughput};
  request.workload.transformer = transformer_like(model.width, model.blocks);
  request.workload.shapes.front().steps = 10;  // as many as tell two layouts apart
  request.choices.offload = {Offload::kNone, Offload::kStaged};
  return request;
}

double seconds(const PlanRequest& request, const Prediction& prediction) {
  return request.goal == Goal::kLatency ? prediction.seconds_per_image : prediction.job_seconds;
}

// The best of all layouts that fit, each simulated; nothing if none does.
std::optional<double> best_of_all(const PlanRequest& request, int64_t& simulated) {
  std::optional<double> best;
  auto choices = request.choices;
  if (request.goal == Goal::kLatency) choices.batch_size = 1;
  for (auto layout : legal_layouts(request.workload, request.cluster.ranks(), choices)) {
    for (const auto offload : request.choices.offload) {
      layout.offload = offload;
      if (!plan_of(request, layout).chosen.fits()) continue;
      const auto value = seconds(request, predict(request.workload, layout, request.cluster));
      best = std::min(best.value_or(value), value);
      ++simulated;
      break;
    }
  }
  return best;
}

struct Sweep {
  int64_t cases = 0, nothing = 0, exact = 0, simulated = 0, by_planner = 0;
  double worst = 1;
  std::string worst_case;
};

void judge(const PlanRequest& request, const std::string& name, Sweep& sweep) {
  const auto result = make_plan(request, 0);
  const auto best = best_of_all(request, sweep.simulated);
  ++sweep.cases;
  const auto* plan = std::get_if<Plan>(&result);
  ASSERT_EQ(plan != nullptr, best.has_value()) << name;
  if (!plan) {
    ++sweep.nothing;
    return;
  }
  sweep.by_planner += plan->simulated;
  const double ratio = seconds(request, plan->chosen.prediction) / *best;
  sweep.exact += ratio < 1 + 1e-9;
  if (ratio > sweep.worst) {
    sweep.worst = ratio;
    sweep.worst_case = name;
  }
  EXPECT_LE(ratio, 1.05) << name << " " << to_string(plan->chosen.layout);
  EXPECT_GE(ratio, 1 - 1e-9) << name;
}

TEST(Choice, IsWithinFivePercentOfTheBestOfAll) {
  Sweep sweep;
  for (const auto& model : kModels)
    for (const int64_t side : {512, 1024, 2048})
      for (const int64_t pictures : {1, 40, 100'000})
        for (const auto& machines : kMachines)
          judge(request_for(model, side, pictures, machines),
                fmt::format("{} {} px, {} pictures on {} {}", model.name, side, pictures,
                            machines.ranks, machines.device),
                sweep);
  fmt::print(
      "{} cases ({} where nothing fits), {} exact, worst {:.3f} ({}); {} layouts simulated, "
      "{} by the planner\n",
      sweep.cases, sweep.nothing, sweep.exact, sweep.worst, sweep.worst_case, sweep.simulated,
      sweep.by_planner);
  EXPECT_GE(sweep.cases, 200);
}

}  // namespace
}  // namespace trireme
