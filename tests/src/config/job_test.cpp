// A good job file becomes a Job, and what it does not say has the documented default.
#include "src/config/job.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/src/config/temp_folder.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

Job parse_text(const std::string& text) {
  return parse_job(text, "/jobs/job.yaml");
}

// The first lines of every job below.
const std::string kFirstLines = "version: 1\nmodel: {path: org/name}\n";
const std::string kSmallest = kFirstLines + "prompts: [a photo of a cat]\n";

TEST(Job, SmallestJobTakesDefaults) {
  Job job = parse_text(kSmallest);
  ASSERT_EQ(job.prompts.size(), 1u);
  EXPECT_EQ(job.prompts[0].prompt, "a photo of a cat");
  EXPECT_EQ(job.sampling, Sampling{});
  EXPECT_EQ(job.sampling.seed, 0u);
  EXPECT_FALSE(job.sampling.height.has_value());  // the model's own
  EXPECT_EQ(job.first_stage, JobStage::kEncode);
  EXPECT_EQ(job.last_stage, JobStage::kDecode);
  EXPECT_EQ(job.layout.mode, LayoutChoice::Mode::kAuto);
  EXPECT_EQ(job.output.path.resolved, "/jobs/out");
  EXPECT_EQ(job.output.format, OutputFormat::kPng);
  EXPECT_EQ(job.output.shard_size, 1000);
  EXPECT_TRUE(job.output.max_failed.allows(1, 1000));
  EXPECT_FALSE(job.output.max_failed.allows(2, 1000));
}

TEST(Job, EverySamplingKey) {
  Sampling s = parse_text(kSmallest + R"(
sampling:
  height: 1024
  width: 768
  num_inference_steps: 28
  guidance_scale: 7
  negative_prompt: blurry
  negative_prompt_2: pale
  negative_prompt_3: small
  num_images_per_prompt: 4
  seed: 18446744073709551615
  max_sequence_length: 256
  clip_skip: 1
  skip_guidance_layers: [7, 8, 9]
  skip_layer_guidance_scale: 2.5
  skip_layer_guidance_start: 0.02
  skip_layer_guidance_stop: 0.3
  use_resolution_binning: false
  clean_caption: true
  scheduler: {class: FlowMatchHeunDiscreteScheduler, shift: 3.0}
)")
                   .sampling;
  EXPECT_EQ(s.height, 1024);
  EXPECT_EQ(s.width, 768);
  EXPECT_EQ(s.num_inference_steps, 28);
  EXPECT_EQ(s.guidance_scale, 7.0);  // a whole number is a number
  EXPECT_EQ(s.negative_prompt, "blurry");
  EXPECT_EQ(s.negative_prompt_2, "pale");
  EXPECT_EQ(s.negative_prompt_3, "small");
  EXPECT_EQ(s.num_images_per_prompt, 4);
  EXPECT_EQ(s.seed, 18446744073709551615u);
  EXPECT_EQ(s.max_sequence_length, 256);
  EXPECT_EQ(s.clip_skip, 1);
  EXPECT_EQ(s.skip_guidance_layers, (std::vector<int64_t>{7, 8, 9}));
  EXPECT_EQ(s.skip_layer_guidance_scale, 2.5);
  EXPECT_EQ(s.skip_layer_guidance_start, 0.02);
  EXPECT_EQ(s.skip_layer_guidance_stop, 0.3);
  EXPECT_FALSE(s.use_resolution_binning);
  EXPECT_TRUE(s.clean_caption);
  EXPECT_EQ(s.scheduler, R"({"class":"FlowMatchHeunDiscreteScheduler","shift":3.0})");
}

TEST(Job, NullMeansNotWritten) {
  Job job =
      parse_text(kSmallest + "sampling: {clip_skip: null, sigmas: ~, seed: null}\ninput: null\n");
  EXPECT_EQ(job.sampling, Sampling{});
  EXPECT_FALSE(job.input.has_value());
}

TEST(Job, SigmasSetTheNumberOfSteps) {
  EXPECT_EQ(parse_text(kSmallest + "sampling: {sigmas: [1.0, 0.6, 0.3]}\n").sampling.sigmas.size(),
            3u);
  // The same number beside them is no other number.
  EXPECT_EQ(parse_text(kSmallest + "sampling: {timesteps: [999, 500], num_inference_steps: 2}\n")
                .sampling.timesteps,
            (std::vector<int64_t>{999, 500}));
}

TEST(Job, RowsOverrideSampling) {
  Job job = parse_text(kFirstLines + R"(
prompts:
  - a cat
  - {prompt: a dog, prompt_2: a hound, negative_prompt: blurry, seed: 7, width: 1024, height: 768}
  - {prompt: "", guidance_scale: 1, scheduler: {class: EulerDiscreteScheduler}}
sampling: {seed: 100, width: 512, negative_prompt: pale}
)");
  ASSERT_EQ(job.prompts.size(), 3u);
  EXPECT_EQ(job.prompts[0].sampling, job.sampling);
  EXPECT_FALSE(job.prompts[0].own_seed);
  const PromptRow& dog = job.prompts[1];
  EXPECT_EQ(dog.prompt_2, "a hound");
  EXPECT_EQ(dog.sampling.negative_prompt, "blurry");
  EXPECT_EQ(dog.sampling.seed, 7u);
  EXPECT_TRUE(dog.own_seed);
  EXPECT_EQ(dog.sampling.width, 1024);
  EXPECT_EQ(dog.sampling.height, 768);
  EXPECT_EQ(job.prompts[2].prompt, "");
  EXPECT_EQ(job.prompts[2].sampling.width, 512);
  EXPECT_EQ(job.prompts[2].sampling.scheduler, R"({"class":"EulerDiscreteScheduler"})");
}

TEST(Job, RowsOwnSigmasTakeThePlaceOfTheJobsSteps) {
  Job job = parse_text(kFirstLines + R"(
prompts: [{prompt: a cat, sigmas: [1.0, 0.5]}]
sampling: {num_inference_steps: 28}
)");
  EXPECT_FALSE(job.prompts[0].sampling.num_inference_steps.has_value());
}

TEST(Job, PromptsAreTakenAsTheyStand) {
  Job job =
      parse_text(kFirstLines + "prompts: [1984, true, 'null', \"a: b\", \"\\u00e9\\U0001F600\"]\n");
  EXPECT_EQ(job.prompts[0].prompt, "1984");
  EXPECT_EQ(job.prompts[1].prompt, "true");
  EXPECT_EQ(job.prompts[2].prompt, "null");
  EXPECT_EQ(job.prompts[3].prompt, "a: b");
  EXPECT_EQ(job.prompts[4].prompt, "é😀");
}

TEST(Job, Components) {
  Job job = parse_text(R"(
version: 1
prompts: [a cat]
model:
  path: org/name@refs/pr/3
  variant: fp16
  dtype: bfloat16
  components:
    text_encoder_3: null
    transformer: {path: some/folder/transformer}
    text_encoder: {quantize: int8}
    text_encoder_2: {quantize: nf4, double_quant: false}
)");
  EXPECT_EQ(job.model.path.resolved, "org/name@refs/pr/3");
  EXPECT_TRUE(job.model.path.hub);
  EXPECT_EQ(job.model.variant, "fp16");
  EXPECT_EQ(job.model.dtype, Dtype::kBFloat16);
  EXPECT_TRUE(job.model.components.at("text_encoder_3").absent);
  EXPECT_EQ(job.model.components.at("transformer").path->resolved, "/jobs/some/folder/transformer");
  EXPECT_EQ(job.model.components.at("text_encoder").quantize, Quantize::kInt8);
  EXPECT_TRUE(job.model.components.at("text_encoder").double_quant);
  EXPECT_EQ(job.model.components.at("text_encoder_2").quantize, Quantize::kNf4);
  EXPECT_FALSE(job.model.components.at("text_encoder_2").double_quant);
  EXPECT_EQ(job.model.components.size(), 4u);
}

TEST(Job, PathsAreRelativeToTheJobFile) {
  TempFolder folder;
  std::string path = folder.write("job.yaml",
                                  "version: 1\nmodel: {path: org/name}\n"
                                  "prompts: [a cat]\noutput: {path: ../out}\n");
  EXPECT_TRUE(read_job(path).model.path.hub);
  // A folder of that name is a folder.
  std::filesystem::create_directories(folder / "org/name");
  Job job = read_job(path);
  EXPECT_FALSE(job.model.path.hub);
  EXPECT_EQ(job.model.path.written, "org/name");
  EXPECT_EQ(job.model.path.resolved, (folder / "org/name").string());
  EXPECT_EQ(job.output.path.resolved,
            (std::filesystem::path(folder.string()).parent_path() / "out").string());
}

TEST(Job, StagesDecideWhatIsWritten) {
  Job encode = parse_text(kSmallest + "stages: [encode]\n");
  EXPECT_EQ(encode.last_stage, JobStage::kEncode);
  EXPECT_EQ(encode.output.format, OutputFormat::kEmbeds);
  EXPECT_EQ(parse_text(kSmallest + "stages: [encode, denoise]\n").output.format,
            OutputFormat::kLatents);
  Job decode = parse_text(kFirstLines + "stages: [decode]\ninput: latents/\n");
  EXPECT_EQ(decode.first_stage, JobStage::kDecode);
  EXPECT_EQ(decode.input->resolved, "/jobs/latents/");
  EXPECT_EQ(decode.output.format, OutputFormat::kPng);
}

TEST(Job, FailureBudgets) {
  auto budget = [](const std::string& value) {
    return parse_text(kSmallest + "output: {max_failed: " + value + "}\n").output.max_failed;
  };
  EXPECT_TRUE(budget("3").allows(3, 10));
  EXPECT_FALSE(budget("3").allows(4, 1'000'000));
  EXPECT_TRUE(budget("50%").allows(5, 10));
  EXPECT_FALSE(budget("50%").allows(6, 10));
  EXPECT_FALSE(budget("0").allows(1, 10));
}

TEST(Job, ByteOrderMarkAndWindowsLineEndsAreFine) {
  std::string text = "\xEF\xBB\xBFversion: 1\r\nmodel: {path: org/name}\r\nprompts:\r\n- a cat\r\n";
  EXPECT_EQ(parse_text(text).prompts[0].prompt, "a cat");
}

TEST(Job, JsonIsYaml) {
  EXPECT_EQ(
      parse_text(R"({"version": 1, "model": {"path": "org/name"}, "prompts": ["a \"cat\"\n"]})")
          .prompts[0]
          .prompt,
      "a \"cat\"\n");
}

TEST(Job, FilesThatCannotBeRead) {
  TempFolder folder;
  Refusal missing = error_of([&] { read_job((folder / "none.yaml").string()); });
  EXPECT_EQ(missing.exit, Exit::kMissingInput);
  EXPECT_EQ(missing.text,
            "[job] " + (folder / "none.yaml").string() + " -> a job file -> there is no such file");
  EXPECT_EQ(error_of([&] { read_job(folder.string()); }).exit, Exit::kMissingInput);

  // root may read everything, so the reader must be somebody else for a moment.
  std::string path = folder.write("secret.yaml", kSmallest);
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  uid_t me = ::geteuid();
  if (me == 0) {
    ASSERT_EQ(::chmod(folder.string().c_str(), 0755), 0);
    ASSERT_EQ(::seteuid(65534), 0);
  }
  Refusal secret = error_of([&] { read_job(path); });
  if (me == 0) {
    ASSERT_EQ(::seteuid(me), 0);
  }
  EXPECT_EQ(secret.exit, Exit::kNoPermission);
}

TEST(Job, OutputsOfDatasets) {
  Job job = parse_text(kSmallest +
                       "output: {format: webp, quality: 80, container: webdataset, "
                       "captions: true}\n");
  EXPECT_EQ(job.output.format, OutputFormat::kWebp);
  EXPECT_EQ(job.output.quality, 80);
  EXPECT_EQ(job.output.container, Container::kWebdataset);
  EXPECT_TRUE(job.output.captions);
  job = parse_text(kSmallest + "output: {format: jpeg, captions: false}\n");
  EXPECT_EQ(job.output.quality, 95);
  EXPECT_FALSE(job.output.captions);
}

// As programs write JSON, which is YAML but for these.
TEST(Job, CharactersInTwoEscapesAreOne) {
  const auto job = parse_job(R"({"version": 1, "model": {"path": "m"}, "output": {"path": "o"},
    "prompts": ["a \ud83d\udc31", "\\ud83d", "\u00e9 \ud83d\udc31!"]})",
                             "job.yaml");
  EXPECT_EQ(job.prompts[0].prompt, "a \U0001f431");
  EXPECT_EQ(job.prompts[1].prompt, "\\ud83d");
  EXPECT_EQ(job.prompts[2].prompt, "\u00e9 \U0001f431!");
}

}  // namespace
}  // namespace trireme
