// A decoder as numbers for a plan: its weights are the published number of parameters, but for the
// taps of what doubles the image, which are held as four phases of 2 x 2.
#include "src/vae/vae_work.h"

#include <gtest/gtest.h>

#include "parallel/plan/memory.h"

namespace trireme {
namespace {

VaeConfig config(int64_t latent_channels) {
  VaeConfig c;
  c.block_out_channels = {128, 256, 512, 512};
  c.layers_per_block = 2;
  c.latent_channels = latent_channels;
  c.post_quant_conv = latent_channels == 4;
  c.sample_size = 1024;
  return c;
}

int64_t weights(const VaeWork& vae, int64_t element_bytes, bool on_cpu) {
  const Workload work{.vae = vae, .shapes = {{.pictures = 1}}, .element_bytes = element_bytes};
  return memory_of(work, {}, 0, on_cpu).decode.weights;
}

TEST(VaeWork, HasThePublishedNumberOfParameters) {
  constexpr int64_t kHalf = 2, kMoreTaps = 4 * 4 - 3 * 3, kMoreBiases = 3;
  int64_t folded = 0;
  for (const int64_t c : {512, 512, 256}) folded += kMoreTaps * c * c + kMoreBiases * c;
  EXPECT_EQ(weights(vae_work(config(16), false), kHalf, false), kHalf * (49'545'475 + folded));
  constexpr int64_t kPostQuant = 4 * 4 + 4;  // not counted to the decoder
  EXPECT_EQ(weights(vae_work(config(4), false), kHalf, false),
            kHalf * (49'490'179 + kPostQuant + folded));
}

// Filters of 16 products, and of 9 where the image is doubled.
TEST(VaeWork, IsLargerAsFiltersOnACpu) {
  constexpr int64_t kFloat = 4;
  const auto work = vae_work(config(16), false);
  const auto on_cpu = weights(work, kFloat, true), elsewhere = weights(work, kFloat, false);
  EXPECT_GT(on_cpu, elsewhere * 5 / 4);
  EXPECT_LT(on_cpu, elsewhere * 16 / 9);
}

TEST(VaeWork, KnowsItsNormsAndTiles) {
  const auto work = vae_work(config(16), true);
  EXPECT_EQ(work.norms, 2 * (2 + 4 * 3) + 2);
  EXPECT_EQ(work.tile_side, 128);
  EXPECT_EQ(work.upscale, 8);
}

}  // namespace
}  // namespace trireme
