// What is checked before anything is loaded.
#include "src/render/inputs.h"

#include <gtest/gtest.h>

#include "tests/src/render/jobs.h"

namespace trireme {
namespace {

std::string refusal(const std::string& job) {
  try {
    Inputs inputs(pixart_job(job));
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadJob);
    return error.what();
  }
  return "no error";
}

TEST(Inputs, WhatTheModelCannotDoIsShownWhereItStands) {
  const auto text = refusal(R"(prompts:
  - a cat
  - {prompt: a dog, height: 100}
sampling: {sigmas: [1.0], use_resolution_binning: false, width: 128, height: 128}
)");
  EXPECT_NE(text.find("job.yaml:5:29: [prompts.1.height] 100 -> a multiple of 16"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("[sampling.sigmas] given for PixArt-Sigma"), std::string::npos) << text;
}

TEST(Inputs, OneMistakeForManyRowsIsSaidOnce) {
  const auto text = refusal("prompts: [a, b, c]\nsampling: {clip_skip: 1}\n");
  EXPECT_EQ(text.find("clip_skip]"), text.rfind("clip_skip]")) << text;
}

TEST(Inputs, FilesAreNumberedBySampleOrWithEmbedsByRow) {
  const std::string rows = "prompts: [a, b]\nsampling: {num_images_per_prompt: 3}\n";
  const Inputs pictures(pixart_job(rows));
  EXPECT_EQ(pictures.file_count(), 6);
  EXPECT_EQ(pictures.index_of(pictures.sample(4)), 4);
  EXPECT_EQ(pictures.store_options().extension, "png");
  const Inputs embeds(pixart_job(rows + "stages: [encode]\n"));
  EXPECT_EQ(embeds.file_count(), 2);
  EXPECT_EQ(embeds.index_of(embeds.sample(4)), 1);
  EXPECT_EQ(embeds.read(1).sample.prompt, "b");
  EXPECT_EQ(embeds.store_options().extension, "safetensors");
}

}  // namespace
}  // namespace trireme
