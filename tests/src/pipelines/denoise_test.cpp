// What ranks send while they denoise: an activation a boundary and step, a latent back, and a
// latent where guidance meets; counts.md section 6.
#include "src/pipelines/denoise.h"

#include <gtest/gtest.h>

#include "tests/src/pipelines/run_batches.h"
#include "tests/support/run_ranks.h"

namespace trireme {
namespace {

constexpr int64_t kSteps = 3, kWord = 8;
constexpr int64_t kLatents =
    kSamples * 4 * kLatentHeight * kLatentWidth * static_cast<int64_t>(sizeof(float));

TEST(DenoisingTraffic, AGuidanceGroupSendsALatentAStep) {
  for (const double scale : {5.0, 1.0}) {  // 1: no guidance, nothing to meet for
    run_ranks(2, [&](Group world) {
      denoised(Tiny::kSd3, world, {.guidance = 2}, {{.steps = kSteps, .scale = scale}});
      auto sent = world.traffic().by_kind;
      EXPECT_EQ(sent["all_gather"].bytes, scale > 1 ? kSteps * kLatents : 0);
      EXPECT_EQ(sent["all_gather"].messages, scale > 1 ? kSteps : 0);
    });
  }
}

// Beside a word a turn from the first rank to each other one, a word a batch back, and one more at
// either end.
TEST(DenoisingTraffic, APipelineSendsAnActivationABoundaryAndALatentBack) {
  constexpr int64_t kBatches = 4;
  for (const int stages : {2, 3}) {
    run_ranks(stages, [&](Group world) {
      denoised(Tiny::kSd3, world, {.pipeline = stages},
               std::vector<Sampling>(kBatches, {.steps = kSteps}));
      const auto sent = world.traffic().by_kind.at("send").bytes;
      const bool first = world.rank() == 0, last = world.rank() == stages - 1;
      const int64_t words = first ? (kBatches * kSteps + 1) * (stages - 1) : kBatches + 2;
      const int64_t expected =
          last ? kBatches * (kSteps - 1) * kLatents : kBatches * kSteps * activation_bytes();
      EXPECT_EQ(sent - words * kWord, expected) << "rank " << world.rank() << " of " << stages;
    });
  }
}

}  // namespace
}  // namespace trireme
