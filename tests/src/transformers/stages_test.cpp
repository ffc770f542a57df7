// The stages of a pipeline are as level as whole blocks allow: no other way to cut the real models
// gives its slowest stage less to do, tried one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "parallel/error.h"
#include "src/transformers/denoiser.h"
#include "src/transformers/pixart_flops.h"
#include "src/transformers/sd3_flops.h"
#include "tests/src/transformers/real_models.h"

namespace trireme {
namespace {

using Lengths = std::vector<int64_t>;

Split sd3_stages(const Sd3Config& config, int stages) {
  return stages_of({.pipeline = stages}, sd3_block_costs(config));
}

Split pixart_stages(const PixArtConfig& config, int stages) {
  return stages_of({.pipeline = stages}, pixart_block_costs(config));
}

Lengths lengths(const Split& split) {
  Lengths all;
  for (int part = 0; part < split.parts(); ++part) all.push_back(split[part].length);
  return all;
}

// FLOPs of a stage for one picture of 1024 pixels, with all that it does before, in and after its
// blocks.
using StageCost = std::function<int64_t(Coordinate stage, Part blocks)>;

StageCost sd3_cost(const Sd3Config& config) {
  return [config](Coordinate stage, Part blocks) {
    const Sd3Flops f(config, {.pipeline = stage}, blocks,
                     {.steps = 28, .image_tokens = 4096, .text_tokens = 333});
    return f.begin() + 28 * f.step();
  };
}

int64_t pixart_cost(Coordinate stage, Part blocks) {
  const PixArtFlops f(real_pixart(), {.pipeline = stage}, blocks,
                      {.steps = 20, .image_tokens = 4096, .text_tokens = 300});
  return f.begin() + 20 * f.step();
}

int64_t slowest(const StageCost& cost, const Split& split) {
  int64_t most = 0;
  for (int s = 0; s < split.parts(); ++s) most = std::max(most, cost({s, split.parts()}, split[s]));
  return most;
}

// Whether blocks from `begin` on can be cut so that all of stages `stage`... stay below `limit`. A
// cut whose stage does not is not followed.
bool beaten(const StageCost& cost, int64_t blocks, int stages, int64_t limit, int stage = 0,
            int64_t begin = 0) {
  if (stage == stages) return begin == blocks;
  const auto behind = stages - 1 - stage;
  for (int64_t length = 1; length <= blocks - begin - behind; ++length) {
    if (cost({stage, stages}, {begin, length}) >= limit) return false;  // longer costs more
    if (beaten(cost, blocks, stages, limit, stage + 1, begin + length)) return true;
  }
  return false;
}

void expect_best(const StageCost& cost, const Split& split) {
  const auto most = slowest(cost, split);
  EXPECT_FALSE(beaten(cost, split.units(), split.parts(), most));
  EXPECT_TRUE(beaten(cost, split.units(), split.parts(), most + 1)) << "the search finds nothing";
}

TEST(Sd3Stages, OfThirtyEightEqualBlocks) {
  const auto config = *real_sd3("SD3.5-large");
  EXPECT_EQ(lengths(sd3_stages(config, 1)), Lengths{38});
  for (const int stages : {2, 4, 8}) expect_best(sd3_cost(config), sd3_stages(config, stages));
}

TEST(Sd3Stages, DualBlocksWeighMore) {
  const auto config = *real_sd3("SD3.5-medium");
  for (const int stages : {2, 4, 8}) expect_best(sd3_cost(config), sd3_stages(config, stages));
  const auto by_cost = lengths(sd3_stages(config, 4));
  EXPECT_LT(by_cost.front(), by_cost.back());
  EXPECT_LT(slowest(sd3_cost(config), sd3_stages(config, 4)),
            slowest(sd3_cost(config), Split(config.num_layers, 4)));
}

// Seven blocks each; over eight, some have four and those at the ends, with more to do, three.
TEST(PixArtStages, OfTwentyEightEqualBlocks) {
  EXPECT_EQ(lengths(pixart_stages(real_pixart(), 4)), (Lengths{7, 7, 7, 7}));
  const auto eight = lengths(pixart_stages(real_pixart(), 8));
  EXPECT_EQ(eight.front(), 3);
  EXPECT_EQ(eight.back(), 3);
  for (const int stages : {2, 4, 8}) expect_best(pixart_cost, pixart_stages(real_pixart(), stages));
}

TEST(PixArtStages, MoreStagesThanBlocksLeaveSomeEmpty) {
  auto config = real_pixart();
  config.num_layers = 2;
  EXPECT_EQ(lengths(pixart_stages(config, 3)), (Lengths{1, 1, 0}));
}

TEST(Stages, MoreThanBlocksAreRefused) {
  EXPECT_THROW(require_stages(5, 6), Error);
  EXPECT_NO_THROW(require_stages(5, 5));
}

}  // namespace
}  // namespace trireme
