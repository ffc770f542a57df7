// What the planner makes of jobs and machines, at the corners.
#include "parallel/plan/planner.h"

#include <gtest/gtest.h>

#include "parallel/plan/balanced.h"
#include "parallel/plan/pace.h"
#include "tests/parallel/plan/workloads.h"

namespace trireme {
namespace {

Cluster of_memory(std::vector<double> gigabytes) {
  Cluster cluster{.name = "cards", .nodes = {}, .between = {.latency = 2e-5, .rate = 11e9}};
  for (const auto gb : gigabytes) {
    auto device = device_by_name("4090").value();
    device.memory_bytes = static_cast<int64_t>(gb * 1e9);
    cluster.nodes.push_back({.name = "n", .devices = 1, .device = device, .link = cluster.between});
  }
  return cluster;
}

Plan planned(const PlanRequest& request) {
  return std::get<Plan>(make_plan(request));
}

TEST(Planner, ManyPicturesOnLargeDevicesAreReplicas) {
  const PlanRequest request{.workload = medium_job(10'000),
                            .cluster = cluster_of(*device_by_name("h200"), 8)};
  const auto plan = planned(request);
  EXPECT_EQ(plan.chosen.layout.replicas, 8);
  EXPECT_TRUE(keeps_bits(plan.chosen.layout));
  EXPECT_EQ(plan.ranks.size(), 8u);
}

TEST(Planner, OnePictureUsesAllDevices) {
  const PlanRequest request{.workload = medium_job(1),
                            .cluster = cluster_of(*device_by_name("h200"), 4),
                            .goal = Goal::kLatency};
  const auto plan = planned(request);
  EXPECT_EQ(plan.chosen.layout.transformer.size(), 4u);
  const auto one =
      planned({request.workload, cluster_of(*device_by_name("h200"), 1), request.goal});
  EXPECT_LT(plan.chosen.prediction.seconds_per_image,
            0.4 * one.chosen.prediction.seconds_per_image);
}

TEST(Planner, LittleMemorySplitsWhatIsLarge) {
  const PlanRequest request{.workload = medium_job(1000), .cluster = of_memory({8, 8, 8, 8})};
  const auto plan = planned(request);
  EXPECT_LT(plan.chosen.layout.replicas, 4);  // T5 alone takes 9.5 GB
  for (const auto& rank : plan.ranks) EXPECT_LE(rank.peak_bytes, rank.limit_bytes);
}

TEST(Planner, WhereNothingFitsItSaysWhatWould) {
  const PlanRequest request{.workload = medium_job(1), .cluster = of_memory({4, 4})};
  const auto result = make_plan(request);
  const auto* nothing = std::get_if<NothingFits>(&result);
  ASSERT_NE(nothing, nullptr);
  EXPECT_GT(nothing->nearest.lacking_bytes, 0);
  EXPECT_FALSE(nothing->remedies.empty());
}

TEST(Planner, BelowWhatRanOutEveryRankHoldsLess) {
  PlanRequest request{.workload = medium_job(64), .cluster = of_memory({24, 24})};
  const auto first = planned(request);
  request.most_bytes = first.chosen.peak_bytes;
  const auto next = planned(request);
  EXPECT_LT(next.chosen.peak_bytes, first.chosen.peak_bytes);
}

// A card with a quarter of the rates beside three whole ones.
TEST(Planner, TheSlowestReplicaSetsThePace) {
  auto cluster = of_memory({24, 24, 24, 24});
  const Layout layout{.replicas = 4, .replica_size = 1};
  const auto work = medium_job(400);
  const auto fast = predict(work, layout, cluster);
  auto& rates = cluster.nodes[2].device.rates;
  cluster.nodes[2].device.name = "slow";
  rates.matmul /= 4;
  rates.copy /= 4;
  rates.convolution /= 4;
  for (auto& [dim, rate] : rates.attention) rate /= 4;
  const auto slow = predict(work, layout, cluster);
  EXPECT_GT(slow.job_seconds, 3.5 * fast.job_seconds);
}

TEST(Balanced, CutsBlocksByCostAndMovesThemWhereMemoryIsShort) {
  const auto work = medium_job(100);
  const auto even = balanced_layout(work, of_memory({24, 24}));
  EXPECT_TRUE(even.mesh.blocks.empty());
  EXPECT_EQ(even.text_encoders, RankList{0});
  const auto cluster = of_memory({12, 24});
  const auto uneven = balanced_layout(work, cluster);
  for (const auto& rank : plan_of({work, cluster}, uneven).ranks)
    EXPECT_LE(rank.peak_bytes, rank.limit_bytes);
}

TEST(Collapsed, OneRankStandsForAllThatDoTheSame) {
  const auto work = medium_job(10);
  const Layout layout{.replica_size = 8,
                      .text_encoders = {0},
                      .transformer = {0, 1, 2, 3, 4, 5, 6, 7},
                      .vae = {7},
                      .mesh = {.pipeline = 2, .tensor = 4}};
  // Places 0 (with the encoders), 3 (with the VAE) and one for the two between, of both stages.
  EXPECT_EQ(collapsed(layout, work).ranks, (std::vector<int>{0, 1, 3, 4, 5, 7}));
}

// Ranks that are left out change nothing that is predicted.
TEST(Collapsed, TakesAsLongAsTheWhole) {
  const auto work = medium_job(12);
  const auto cluster = cluster_of(*device_by_name("l40s"), 8);
  const Layout layout{.replica_size = 8,
                      .text_encoders = {0},
                      .transformer = {0, 1, 2, 3, 4, 5, 6, 7},
                      .vae = {4, 5, 6, 7},
                      .mesh = {.guidance = 2, .pipeline = 2, .tensor = 2}};
  const OperationCosts costs(work, work.shapes.front(), layout, cluster, 0);
  const auto whole = predicted_trace(work, layout, cluster, 12);
  const auto fewer = run_on_costs(collapsed(layout, work), costs, 12, work.shapes.front().steps);
  EXPECT_NEAR(whole.seconds(), fewer.seconds(), 1e-9 * whole.seconds());
}

}  // namespace
}  // namespace trireme
