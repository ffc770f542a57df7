// From a job's sampling to a recipe: the family's defaults, sizes and refusals.
#include "src/pipelines/recipe.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

const ModelFacts kSd3{.family = Family::kSd3, .sample_size = 128};
const ModelFacts kPixArt{.family = Family::kPixArtSigma, .sample_size = 128};

Sample asking(const Sampling& sampling) {
  return {.prompt = "a cat", .prompt_2 = "", .prompt_3 = "", .sampling = sampling};
}

// "key: message" of the only problem.
std::string problem(const Sampling& sampling, const ModelFacts& model) {
  const auto problems = problems_of(asking(sampling), model);
  return problems.size() == 1 ? problems[0].place + ": " + problems[0].message
                              : std::to_string(problems.size()) + " problems";
}

TEST(Recipe, FillsInTheFamilysDefaults) {
  const auto sd3 = recipe_for(asking({}), kSd3);
  EXPECT_EQ(sd3.asked, (Size{1024, 1024}));
  EXPECT_EQ(sd3.num_inference_steps, 28);
  EXPECT_EQ(sd3.guidance.scale, 7.0);
  EXPECT_EQ(sd3.max_sequence_length, 256);
  const auto pixart = recipe_for(asking({}), kPixArt);
  EXPECT_EQ(pixart.num_inference_steps, 20);
  EXPECT_EQ(pixart.guidance.scale, 4.5);
  EXPECT_EQ(pixart.max_sequence_length, 300);
}

TEST(Recipe, PixArtMakesTheNearestBinAndSd3WhatIsAsked) {
  Sampling wide;
  wide.height = 512;
  wide.width = 1536;
  EXPECT_EQ(recipe_for(asking(wide), kSd3).made, (Size{512, 1536}));
  const auto binned = recipe_for(asking(wide), kPixArt);
  EXPECT_EQ(binned.asked, (Size{512, 1536}));
  EXPECT_EQ(binned.made, (Size{576, 1728}));  // ratio 0.33
  wide.use_resolution_binning = false;
  EXPECT_EQ(recipe_for(asking(wide), kPixArt).made, (Size{512, 1536}));
}

TEST(Recipe, ListedTimesCountTheSteps) {
  Sampling listed;
  listed.num_inference_steps = 9;
  listed.sigmas = {1.0, 0.6, 0.3};
  EXPECT_EQ(recipe_for(asking(listed), kSd3).num_inference_steps, 3);
}

TEST(Recipe, SizesAreMultiplesOfAPatch) {
  Sampling odd;
  odd.height = 1000;
  EXPECT_EQ(problem(odd, kSd3), "height: 1000 -> a multiple of 16 -> 992 or 1008 are near");
  EXPECT_TRUE(problems_of(asking(odd), kPixArt).empty());  // its bin is made, and then resized
}

// SD3-medium's table has 192 patches of 16 pixels a side.
TEST(Recipe, Sd3PicturesEndWithTheTableOfPositions) {
  auto model = kSd3;
  model.most_patches = 192;
  Sampling large;
  large.height = 3072;
  EXPECT_TRUE(problems_of(asking(large), model).empty());
  large.height = 3088;
  EXPECT_EQ(problem(large, model),
            "height: 3088 -> at most 3072, where this model's table of positions ends -> a smaller "
            "picture, or model.components.transformer: {position_table: extend}, which is beyond "
            "what the model was trained for");
}

TEST(Recipe, PickedKeysAndValuesNeedWholeSquares) {
  auto model = kPixArt;
  model.kv_sampling = {KvSampling::Kind::kGrid, 2};
  Sampling odd;
  odd.use_resolution_binning = false;
  odd.width = 1008;
  EXPECT_EQ(problem(odd, model),
            "width: 1008 -> a multiple of 32, as the model's blocks compress keys and values by 2 "
            "-> 992 or 1024 are near");
  model.kv_sampling->factor = 3;
  odd.width = 16, odd.height = 48;
  EXPECT_EQ(problem(odd, model),
            "width: 16 -> a multiple of 48, as the model's blocks compress keys and values by 3 -> "
            "48 is near");
  odd.width = 1008;  // 21 x 48
  EXPECT_TRUE(problems_of(asking(odd), model).empty());
  model.kv_sampling->kind = KvSampling::Kind::kFlat;
  odd.width = 16;
  EXPECT_TRUE(problems_of(asking(odd), model).empty());
}

// What is no whole square is left out, as in the original, but one must be there.
TEST(Recipe, ConvolvedKeysAndValuesNeedOneSquare) {
  auto model = kPixArt;
  model.kv_sampling = {KvSampling::Kind::kConv, 4};
  Sampling thin;
  thin.use_resolution_binning = false;
  thin.width = 48;
  EXPECT_EQ(problem(thin, model),
            "width: 48 -> at least 64, as the model's blocks compress keys and values by 4 -> 64 "
            "is near");
  thin.width = 1008;
  EXPECT_TRUE(problems_of(asking(thin), model).empty());
}

// 256 x 256 pixels: 16 patches, which 3 does not divide.
TEST(Recipe, ABinThatCannotBeCompressedIsNamed) {
  ModelFacts model{.family = Family::kPixArtSigma, .sample_size = 32};
  model.kv_sampling = {KvSampling::Kind::kGrid, 3};
  Sampling square;
  square.height = 300, square.width = 300;
  const auto problems = problems_of(asking(square), model);
  ASSERT_EQ(problems.size(), 2);
  EXPECT_EQ(problems[0].message,
            "256, the bin of 300, -> a multiple of 48, as the model's blocks compress keys and "
            "values by 3 -> 240 or 288 with use_resolution_binning: false");
}

TEST(Recipe, WhatOnlyTheOtherFamilyHasIsRefused) {
  Sampling times;
  times.timesteps = {999, 500};
  EXPECT_EQ(problem(times, kSd3),
            "timesteps: given for SD3 -> PixArt-Sigma only -> give sigmas instead");
  Sampling sd3_only;
  sd3_only.sigmas = {1.0};
  sd3_only.clip_skip = 1;
  sd3_only.skip_guidance_layers = {7};
  EXPECT_EQ(problems_of(asking(sd3_only), kPixArt).size(), 3);
}

TEST(Recipe, Sd3TextsEndAt512Tokens) {
  Sampling longer;
  longer.max_sequence_length = 513;
  EXPECT_TRUE(problem(longer, kSd3).starts_with("max_sequence_length: 513 -> at most 512"));
  EXPECT_TRUE(problems_of(asking(longer), kPixArt).empty());
}

}  // namespace
}  // namespace trireme
