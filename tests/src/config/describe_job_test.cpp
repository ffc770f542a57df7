// A job written out reads back as the same job, and its fingerprint follows what it makes.
#include "src/config/describe_job.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/error_of.h"

namespace trireme {
namespace {

const std::string kFull = R"(version: 1
model:
  path: ./checkpoints/sd3
  variant: fp16
  dtype: float16
  components:
    text_encoder_3: null
    transformer: {path: other/transformer, quantize: nf4, double_quant: false, position_table: extend}
prompts:
  - a cat
  - {prompt: "line\nbreak \u0001 é", prompt_2: b, seed: 0, sigmas: [1.0, 0.25]}
  - {prompt: "", seed: 5, scheduler: {class: X, nested: {a: [1, 2.5, true, null, "3"]}}}
sampling:
  height: 768
  num_inference_steps: 12
  guidance_scale: 4.1
  negative_prompt: "a: b"
  seed: 18446744073709551615
  skip_guidance_layers: [7, 8, 9]
layout:
  replicas: 2
  text_encoders: {ranks: 0-1, tensor: 2}
  transformer: {ranks: all, guidance: 2}
  vae: {ranks: [1]}
  offload: staged
device: cpu
threads: 4
output: {path: pictures, format: jpeg, quality: 90, container: webdataset, captions: true, max_failed: 2, on_error: stop}
)";

Job parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_job(text, "/jobs/job.yaml", overrides);
}

void expect_same(const Job& a, const Job& b) {
  EXPECT_EQ(a.prompts, b.prompts);
  EXPECT_EQ(a.sampling, b.sampling);
  EXPECT_EQ(a.layout, b.layout);
  EXPECT_EQ(a.model.path.resolved, b.model.path.resolved);
  EXPECT_EQ(a.model.components.size(), b.model.components.size());
  EXPECT_EQ(to_json(a).dump(), to_json(b).dump());
}

TEST(DescribeJob, ReadsBackAsTheSameJob) {
  Job job = parse(kFull);
  Job again = parse_job(to_json(job).dump(2), "/elsewhere/job.json");
  expect_same(job, again);
  EXPECT_EQ(again.output.max_failed, job.output.max_failed);
  EXPECT_EQ(again.output, [&] {
    OutputChoice same = job.output;
    same.path = again.output.path;
    return same;
  }());
  EXPECT_EQ(again.output.path.resolved, "/jobs/pictures");
}

TEST(DescribeJob, SmallestJobReadsBack) {
  Job job = parse("version: 1\nmodel: {path: org/name}\nprompts: [a]\n");
  expect_same(job, parse(to_json(job).dump()));
}

TEST(DescribeJob, DatasetsAndInputsReadBack) {
  Job job = parse("version: 1\nmodel: {path: org/name}\ndataset: {path: p.csv, rows: 3-9}\n");
  Job again = parse(to_json(job).dump());
  EXPECT_EQ(again.dataset->path.resolved, "/jobs/p.csv");
  EXPECT_EQ(again.dataset->first_row, 3);
  EXPECT_EQ(again.dataset->last_row, 9);
  Job decode = parse("version: 1\nmodel: {path: org/name}\nstages: [decode]\ninput: latents\n");
  EXPECT_EQ(parse(to_json(decode).dump()).input->resolved, "/jobs/latents");
}

// What a picture carries makes the same sample again.
TEST(DescribeJob, ASampleIsAJob) {
  Job job = parse(kFull, {"sampling.num_images_per_prompt=2"});
  Prompts prompts(job);
  for (int64_t i = 0; i < prompts.sample_count(); ++i) {
    Sample sample = prompts.sample(i);
    std::string text = sample_to_json(job, sample).dump();
    Job again = parse(text);
    Prompts one(again);
    ASSERT_EQ(one.sample_count(), 1);
    Sample made = one.sample(0);
    EXPECT_EQ(made.seed, sample.seed) << text;
    EXPECT_EQ(made.prompt, sample.prompt);
    EXPECT_EQ(made.prompt_2, sample.prompt_2);
    Sampling wanted = sample.sampling;
    wanted.seed = sample.seed;
    wanted.num_images_per_prompt = 1;
    EXPECT_EQ(made.sampling, wanted) << text;
    EXPECT_EQ(again.model, job.model);
  }
}

TEST(DescribeJob, EveryTextSurvives) {
  for (std::string prompt :
       {std::string("\0\x01\x1f\x7f", 4), std::string("\u0085\u2028\ufeff\uffff"),
        std::string("\\ \" ' # : - {}"), std::string("😀\ttab\r\n")}) {
    Job job = parse("version: 1\nmodel: {path: org/name}\nprompts: [a]\n");
    job.prompts[0].prompt = prompt;
    Job again = parse(to_json(job).dump());
    EXPECT_EQ(again.prompts[0].prompt, prompt);
  }
}

TEST(DescribeJob, PicturesCarryPathsAsWritten) {
  Job job = parse(kFull);
  Sample sample = Prompts(job).sample(0);
  EXPECT_EQ(sample_to_json(job, sample)["model"]["path"], "./checkpoints/sd3");
  EXPECT_EQ(to_json(job)["model"]["path"], "/jobs/checkpoints/sd3");
}

std::string fingerprint_of(const std::vector<std::string>& overrides) {
  Job job = parse(kFull, overrides);
  return fingerprint(job, Prompts(job).fingerprint());
}

TEST(Fingerprint, FollowsWhatDeterminesThePictures) {
  std::string same = fingerprint_of({});
  EXPECT_EQ(same.size(), 32u);
  EXPECT_EQ(fingerprint_of({}), same);
  for (const char* change :
       {"sampling.seed=1", "prompts.0=a dog", "prompts.1.seed=1", "model.path=checkpoints/sd35",
        "model.components.text_encoder_3={}", "model.components.transformer.position_table=fixed",
        "model.variant=null", "sampling.height=512", "output.format=webp", "output.shard_size=10",
        "output.quality=91", "output.captions=false", "stages=[encode, denoise, decode]"}) {
    bool no_change = std::string(change) == "stages=[encode, denoise, decode]";
    EXPECT_EQ(fingerprint_of({change}) == same, no_change) << change;
  }
}

TEST(Fingerprint, IgnoresHowAndWhere) {
  for (const char* change :
       {"layout=auto", "layout.replicas=4", "device=auto", "threads=1", "output.path=elsewhere",
        "output.on_error=quarantine", "output.max_failed=5%"}) {
    EXPECT_EQ(fingerprint_of({change}), fingerprint_of({})) << change;
  }
}

}  // namespace
}  // namespace trireme
