#include "src/pipelines/guidance.h"

#include <gtest/gtest.h>

#include "tests/support/tensors.h"

namespace trireme {
namespace {

TEST(Guidance, PushesAwayFromTheNegativePrompt) {
  const auto negative = integers({2, 3}, 1), positive = integers({2, 3}, 2);
  expect_same_bits(guide(negative, positive, 4.0), negative + 4 * (positive - negative));
}

TEST(Guidance, IsOffAtOneAndBelow) {
  EXPECT_FALSE(Guidance{.scale = 1.0}.on());
  EXPECT_FALSE(Guidance{.scale = 0.0}.on());
  EXPECT_TRUE(Guidance{.scale = 1.01}.on());
}

// diffusers leaves both ends of the range out: 28 steps, 0.01 to 0.2 are steps 1 to 5.
TEST(Guidance, SkipsLayersStrictlyInsideItsRange) {
  const Guidance guidance{.scale = 4.5, .skipped = {7, 8, 9}};
  std::vector<int64_t> steps;
  for (int64_t step = 0; step < 28; ++step)
    if (guidance.skips(step, 28)) steps.push_back(step);
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 2, 3, 4, 5}));
  EXPECT_FALSE((Guidance{.scale = 1.0, .skipped = {7}}.skips(2, 28)));
  EXPECT_FALSE(Guidance{.scale = 4.5}.skips(2, 28));
}

}  // namespace
}  // namespace trireme
