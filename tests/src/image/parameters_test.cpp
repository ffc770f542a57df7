#include "src/image/parameters.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

PictureFacts cat() {
  return {.prompt = "a photo of a cat",
          .negative_prompt = "blurry",
          .steps = 20,
          .sampler = "Euler",
          .guidance_scale = 7.0,
          .seed = "3",
          .height = 64,
          .width = 128,
          .model = "sd3-medium",
          .more = {}};
}

TEST(Parameters, ReadLikeTheWebUi) {
  EXPECT_EQ(a1111_parameters(cat()),
            "a photo of a cat\n"
            "Negative prompt: blurry\n"
            "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 3, Size: 128x64, Model: sd3-medium, "
            "Version: trireme");
}

TEST(Parameters, LeaveOutWhatIsNotSet) {
  EXPECT_EQ(a1111_parameters({.prompt = "a cat"}), "a cat\nVersion: trireme");
  EXPECT_EQ(a1111_parameters({}), "Version: trireme");
}

TEST(Parameters, QuoteValuesThatWouldSplitTheLine) {
  PictureFacts facts = cat();
  facts.model = "org/name: \"big\", really";
  facts.more = {{"Note", "two\nlines"}};
  const std::string text = a1111_parameters(facts);
  EXPECT_NE(text.find(R"(Model: "org/name: \"big\", really", Note: "two\nlines", Version)"),
            std::string::npos)
      << text;
}

TEST(Parameters, KeepTheLinesOfAPromptAndReplaceItsNul) {
  PictureFacts facts = cat();
  facts.prompt = std::string("one\ntwo \0 three", 15);
  EXPECT_TRUE(a1111_parameters(facts).starts_with("one\ntwo \uFFFD three\nNegative prompt: "));
}

TEST(Parameters, GuidanceKeepsItsFraction) {
  PictureFacts facts = cat();
  facts.guidance_scale = 4.5;
  EXPECT_NE(a1111_parameters(facts).find("CFG scale: 4.5,"), std::string::npos);
}

}  // namespace
}  // namespace trireme
