// Which rank holds what, for layouts as users write them.
#include "src/pipelines/placement.h"

#include <gtest/gtest.h>

#include "tests/support/run_ranks.h"

namespace trireme {
namespace {

constexpr int64_t kBlocks = 6;

std::vector<int> list(std::initializer_list<int> ranks) {
  return ranks;
}

TEST(Placement, AutoMakesEveryRankAReplica) {
  run_ranks(3, [](Group world) {
    const auto p = place({}, world, kBlocks);
    EXPECT_TRUE(p.replica.alone());
    EXPECT_EQ(p.transformer, list({0}));
    EXPECT_EQ(p.vae, list({0}));
    EXPECT_EQ(replica_count({}, 3), 3);
  });
}

TEST(Placement, BalancedSpreadsTheBlocksOverOneReplica) {
  const LayoutChoice balanced{.mode = LayoutChoice::Mode::kBalanced};
  run_ranks(4, [&](Group world) {
    const auto p = place(balanced, world, kBlocks);
    EXPECT_EQ(p.replica.size(), 4);
    EXPECT_EQ(p.mesh.pipeline.size(), 4);
    EXPECT_EQ(p.text_encoders, list({0}));
    EXPECT_EQ(p.vae, list({3}));
  });
}

TEST(Placement, BalancedOverMoreRanksThanBlocksLeavesRanksToTheVae) {
  const LayoutChoice balanced{.mode = LayoutChoice::Mode::kBalanced};
  run_ranks(4, [&](Group world) {
    const auto p = place(balanced, world, /*blocks=*/2);
    EXPECT_EQ(p.transformer, list({0, 1}));
    EXPECT_EQ(p.mesh.pipeline.size(), world.rank() < 2 ? 2 : 1);
    EXPECT_EQ(p.vae, list({3}));
  });
}

TEST(Placement, ReplicasAreRunsOfRanks) {
  LayoutChoice layout{.mode = LayoutChoice::Mode::kExplicit, .replicas = 2};
  layout.transformer = TransformerChoice{.guidance = 2, .tensor = 2};
  run_ranks(8, [&](Group world) {
    const auto p = place(layout, world, kBlocks);
    EXPECT_EQ(p.replica.size(), 4);
    EXPECT_EQ(p.replica.rank(), world.rank() % 4);
    EXPECT_EQ(p.mesh.guidance.size(), 2);
    EXPECT_EQ(p.mesh.tensor.rank(), world.rank() % 2);
    // Guidance half, then tensor part: all of one stage, each with a place of its own.
    EXPECT_EQ(p.roles[3], (Role{.stage = 0, .place = 3, .decodes = true}));
    EXPECT_EQ(p.guidance_half(1), 0);
    EXPECT_EQ(p.guidance_half(2), 1);
  });
}

TEST(Placement, ComponentsMayHaveRanksOfTheirOwn) {
  LayoutChoice layout{.mode = LayoutChoice::Mode::kExplicit};
  layout.text_encoders = TextEncodersChoice{.ranks = {false, {0}}};
  layout.transformer = TransformerChoice{.ranks = {false, {2, 1}}, .pipeline = 2};
  layout.vae = VaeChoice{.ranks = {false, {3}}};
  run_ranks(4, [&](Group world) {
    const auto p = place(layout, world, kBlocks);
    EXPECT_EQ(p.holds(p.text_encoders), world.rank() == 0);
    EXPECT_EQ(p.holds(p.vae), world.rank() == 3);
    EXPECT_EQ(p.roles, (Roles{{.encodes = true}, {.stage = 1}, {.stage = 0}, {.decodes = true}}));
    EXPECT_EQ(p.last_stage(), list({1}));
    EXPECT_EQ(p.guidance_half(1), std::nullopt);
    const int expected_stage = world.rank() == 1 ? 1 : 0;  // in the order written: 2, 1
    EXPECT_EQ(p.mesh.pipeline.rank(), expected_stage);
  });
}

}  // namespace
}  // namespace trireme
