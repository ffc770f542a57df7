#include "src/render/tally.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/run_ranks.h"

namespace trireme {
namespace {

// Three replicas of two ranks, of which the second tells.
TEST(Tally, TheFirstRankHearsEveryReplicaOnce) {
  run_ranks(6, [](Group world) {
    Tally tally(world, {1, 3, 5});
    const int64_t replica = world.rank() / 2;
    tally.tell({.done = 1, .steps = 10 * replica});
    tally.tell({.done = replica + 1, .skipped = 4, .failed = replica, .steps = 20 * replica},
               /*end=*/true);
    tally.wait_until_complete([] {});
    if (world.rank() != 0) return;
    const auto all = tally.heard();
    EXPECT_EQ(all.done, 1 + 2 + 3);
    EXPECT_EQ(all.skipped, 12);
    EXPECT_EQ(all.failed, 0 + 1 + 2);
    EXPECT_EQ(all.steps, 0 + 20 + 40);
  });
}

TEST(Tally, IsNotCompleteWhileAReplicaWorks) {
  run_ranks(2, [](Group world) {
    Tally tally(world, {0, 1});
    if (world.rank() == 0) {
      tally.tell({.done = 1}, /*end=*/true);
      EXPECT_FALSE(tally.complete());
    }
    world.barrier();
    if (world.rank() == 1) tally.tell({.done = 2}, /*end=*/true);
    if (world.rank() == 0)
      while (!tally.complete()) std::this_thread::yield();
  });
}

TEST(Tally, OfOneRankIsItsOwn) {
  Tally tally(Group(), {0});
  tally.tell({.done = 3});
  EXPECT_EQ(tally.heard().done, 3);
  EXPECT_FALSE(tally.complete());
  tally.tell({.done = 4}, /*end=*/true);
  EXPECT_TRUE(tally.complete());
}

}  // namespace
}  // namespace trireme
