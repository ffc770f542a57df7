// --set key.path=value, laid over the file before it is checked.
#include <gtest/gtest.h>

#include "src/config/job.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

constexpr const char* kJob = R"(version: 1
model: {path: org/name}
prompts:
  - a cat
  - {prompt: a dog, seed: 7}
sampling: {guidance_scale: 7.0}
)";

Job with(const std::vector<std::string>& overrides) {
  return parse_job(kJob, "/jobs/job.yaml", overrides);
}

std::string refusal(const std::vector<std::string>& overrides) {
  return error_of([&] { with(overrides); }).text;
}

TEST(Override, ReplacesAddsAndCreates) {
  Job job = with({"sampling.guidance_scale=4.5", "sampling.seed=3", "output.format=jpeg",
                  "layout.transformer={tensor: 2}"});
  EXPECT_EQ(job.sampling.guidance_scale, 4.5);
  EXPECT_EQ(job.sampling.seed, 3u);
  EXPECT_EQ(job.output.format, OutputFormat::kJpeg);
  EXPECT_EQ(job.layout.transformer->tensor, 2);
}

TEST(Override, TheLastWins) {
  EXPECT_EQ(with({"device=cuda", "device=cpu"}).device, DeviceChoice::kCpu);
}

TEST(Override, NumbersCountRows) {
  Job job = with({"prompts.1.seed=9", "prompts.0.width=512"});
  EXPECT_EQ(job.prompts[1].sampling.seed, 9u);
  EXPECT_EQ(job.prompts[0].prompt, "a cat");  // a plain prompt gained a key
  EXPECT_EQ(job.prompts[0].sampling.width, 512);
}

TEST(Override, NullTakesAway) {
  Job job = with({"prompts=null", "dataset.path=prompts.txt", "sampling.guidance_scale=null"});
  EXPECT_TRUE(job.prompts.empty());
  EXPECT_EQ(job.dataset->path.resolved, "/jobs/prompts.txt");
  EXPECT_FALSE(job.sampling.guidance_scale.has_value());
  EXPECT_TRUE(
      with({"model.components.text_encoder_3=null"}).model.components.at("text_encoder_3").absent);
}

TEST(Override, MistakesNameTheArgument) {
  EXPECT_EQ(refusal({"sampling.guidance_scal=7"}),
            "--set sampling.guidance_scal=7: [sampling.guidance_scal] unknown key -> did you mean "
            "guidance_scale?");
  EXPECT_EQ(refusal({"prompts.2.seed=1"}),
            "--set prompts.2.seed=1: [prompts.2.seed] 2 -> an index from 0 to 1");
  EXPECT_EQ(refusal({"sampling.seed=-1"}),
            "--set sampling.seed=-1: [sampling.seed] -1 -> a whole number from 0 to "
            "18446744073709551615");
  EXPECT_EQ(refusal({"device"}), "--set device: [device] a key and its value -> key.path=value");
  EXPECT_EQ(refusal({"layout.vae={patch: x}"}),
            "--set layout.vae={patch: x}: [layout.vae.patch] x -> a whole number");
  EXPECT_EQ(refusal({"sampling..seed=1"}),
            "--set sampling..seed=1: [sampling..seed]  -> a key between the dots");
  EXPECT_EQ(error_of([] { with({"sampling.seed=["}); }).exit, Exit::kBadJob);
}

TEST(Override, MendsTheFile) {
  std::string bad = "version: 1\nmodel: {path: org/name}\nprompts: [a cat]\ndevice: cu\n";
  EXPECT_EQ(parse_job(bad, "job.yaml", {"device=cpu"}).device, DeviceChoice::kCpu);
}

}  // namespace
}  // namespace trireme
