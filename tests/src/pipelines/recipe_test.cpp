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
