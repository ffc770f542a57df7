// The denoising loop over a guidance group: the same latents, and a latent a step is what is sent.
#include "src/pipelines/denoise.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/schedulers/scheduler_config.h"
#include "tests/src/transformers/tiny_models.h"
#include "tests/support/run_ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

constexpr int64_t kSteps = 3, kHeight = 8, kWidth = 12;

DenoiseRequest request(double scale) {
  const auto text = [](int seed) {
    return TextEmbeddings{normals({2, 7, 24}, seed), normals({2, 20}, seed + 1), {}};
  };
  const nlohmann::json euler = {{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"shift", 3.0}};
  const SchedulerConfig config(euler);
  return {.seeds = {7, 8},
          .height = kHeight,
          .width = kWidth,
          .text = {text(1), text(3)},
          .guidance = {.scale = scale},
          .schedule = std::make_shared<const Schedule>(make_schedule(config, {.steps = kSteps})),
          .num_inference_steps = kSteps};
}

Denoised denoised(const Group& guidance, double scale) {
  const c10::InferenceMode inference;
  const Sd3Transformer model(golden_sd3(true), random_weights(), Mesh{}, at::kFloat);
  return denoise(model, guidance, request(scale), at::kCPU, [](int64_t) { return true; });
}

TEST(Denoise, OverAGuidanceGroupMakesTheLatentsOfOneRankAndSendsOneAStep) {
  for (const double scale : {5.0, 1.0}) {  // 1: no guidance, nothing to meet for
    const auto whole = denoised({}, scale);
    ASSERT_TRUE(whole.complete);
    run_ranks(2, [&](Group world) {
      const auto halves = denoised(world, scale);
      expect_close(halves.latents, whole.latents);
      auto sent = world.traffic().by_kind;
      const int64_t latents = 2 * 4 * kHeight * kWidth * 4;
      EXPECT_EQ(sent["all_gather"].bytes, scale > 1 ? kSteps * latents : 0);
      EXPECT_EQ(sent["all_gather"].messages, scale > 1 ? kSteps : 0);
    });
  }
}

}  // namespace
}  // namespace trireme
