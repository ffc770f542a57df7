#include "src/config/carried_row.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/config/describe_job.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

Job job_of(const std::string& text) {
  return parse_job("version: 1\nmodel: {path: m}\n" + text, "job.yaml");
}

// A later job of which only `sampling` matters here.
Job later_job(const std::string& sampling) {
  return job_of("stages: [denoise]\ninput: x\nsampling: " + sampling + "\n");
}

std::string carried(const Job& job, size_t row) {
  return row_to_json(job, job.prompts[row]).dump();
}

TEST(CarriedRow, IsTheRowThatMadeTheFile) {
  const auto job = job_of(R"(prompts:
  - {prompt: "a: \"b\"", prompt_2: c, negative_prompt: d, seed: 7, width: 768}
sampling: {seed: 3, height: 512, num_images_per_prompt: 4, scheduler: {class: X, shift: 2.5}}
)");
  auto row = carried_row(carried(job, 0), "file", later_job("null"));
  EXPECT_EQ(row, job.prompts[0]);
}

TEST(CarriedRow, ALaterJobsSamplingLiesOverTheEarlierOneAndTheRowsOwnOverBoth) {
  const auto job = job_of("prompts: [{prompt: a, seed: 7}]\nsampling: {seed: 3, width: 512}\n");
  const auto row =
      carried_row(carried(job, 0), "file", later_job("{seed: 9, width: 256, guidance_scale: 2}"));
  EXPECT_EQ(row.sampling.seed, 7U);
  EXPECT_EQ(row.sampling.width, 256);
  EXPECT_EQ(row.sampling.guidance_scale, 2.0);
}

TEST(CarriedRow, StepsAreCountedAnew) {
  const auto job = job_of("prompts: [a]\nsampling: {num_inference_steps: 20}\n");
  const auto row = carried_row(carried(job, 0), "file", later_job("{sigmas: [1, 0.5]}"));
  EXPECT_EQ(row.sampling.sigmas.size(), 2U);
  EXPECT_FALSE(row.sampling.num_inference_steps);
}

TEST(CarriedRow, ASampleKeepsItsSeed) {
  auto job = job_of("prompts: [a, b]\nsampling: {seed: 5, num_images_per_prompt: 2}\n");
  const auto sample = Prompts(job).sample(3);
  EXPECT_EQ(sample.seed, 8U);
  EXPECT_EQ(carried_sample(sample_to_json(job, sample).dump(), "file").seed, 8U);
}

TEST(CarriedRow, WhatIsNoJobNamesTheFile) {
  const auto text = R"({"version": 1, "model": {"path": "m"}, "prompts": ["a", "b"]})";
  for (const auto* bad : {"", "{", "[]", text}) {
    const auto refusal = error_of([&] { carried_row(bad, "x.safetensors", later_job("null")); });
    EXPECT_EQ(refusal.exit, Exit::kBadData);
    EXPECT_NE(refusal.text.find("[input] x.safetensors"), std::string::npos) << refusal.text;
  }
}

}  // namespace
}  // namespace trireme
