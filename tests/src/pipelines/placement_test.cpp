// Which rank holds what, for layouts that leave nothing open.
#include "src/pipelines/placement.h"

#include <gtest/gtest.h>

#include "tests/support/run_ranks.h"

namespace trireme {
namespace {

using Ranks = std::vector<int>;

TEST(Placement, OneRankHoldsEverything) {
  run_ranks(3, [](Group world) {
    const auto p = place({.replicas = 3}, world);
    EXPECT_TRUE(p.replica.alone());
    EXPECT_EQ(p.roles, (Roles{{.encodes = true, .stage = 0, .decodes = true}}));
    EXPECT_TRUE(p.encoder_tensor.alone() && p.patch.alone() && p.mesh.tensor.alone());
  });
}

TEST(Placement, ReplicasAreRunsOfRanks) {
  const Layout layout{.replicas = 2,
                      .replica_size = 4,
                      .transformer = {0, 1, 2, 3},
                      .vae = {3},
                      .mesh = {.guidance = 2, .tensor = 2}};
  run_ranks(8, [&](Group world) {
    const auto p = place(layout, world);
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
  const Layout layout{.replica_size = 4,
                      .text_encoders = {0},
                      .transformer = {2, 1},
                      .vae = {3},
                      .mesh = {.pipeline = 2}};
  run_ranks(4, [&](Group world) {
    const auto p = place(layout, world);
    EXPECT_EQ(p.holds(p.layout.text_encoders), world.rank() == 0);
    EXPECT_EQ(p.holds(p.layout.vae), world.rank() == 3);
    EXPECT_EQ(p.roles, (Roles{{.encodes = true}, {.stage = 1}, {.stage = 0}, {.decodes = true}}));
    EXPECT_EQ(p.last_stage(), Ranks{1});
    EXPECT_EQ(p.guidance_half(1), std::nullopt);
    const int expected_stage = world.rank() == 1 ? 1 : 0;  // in the order written: 2, 1
    EXPECT_EQ(p.mesh.pipeline.rank(), expected_stage);
  });
}

// What a plan says of a rank is what the rank finds in its groups.
TEST(Placement, CoordinatesOfAPlanAreThoseOfTheMesh) {
  const Layout layout{.replica_size = 8,
                      .transformer = {0, 1, 2, 3, 4, 5, 6, 7},
                      .vae = {7},
                      .mesh = {.sequence = 4, .ring = 2, .tensor = 2}};
  run_ranks(8, [&](Group world) {
    const auto p = place(layout, world);
    const auto planned = coordinates_of(layout, world.rank()), found = p.mesh.coordinates();
    EXPECT_EQ(planned.tensor.rank, found.tensor.rank);
    EXPECT_EQ(planned.ulysses.rank, found.ulysses.rank);
    EXPECT_EQ(planned.ring.rank, found.ring.rank);
    EXPECT_EQ(planned.sequence().rank, p.mesh.sequence.all.rank());
  });
}

}  // namespace
}  // namespace trireme
