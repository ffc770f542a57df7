// A decoder over n ranks makes the rows of the whole image, whatever the number of rows.
#include <gtest/gtest.h>

#include "parallel/layers/bands.h"
#include "src/vae/decoder.h"
#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

class BandedDecoder : public testing::TestWithParam<std::tuple<int, int64_t, int64_t>> {};

TEST_P(BandedDecoder, MakesTheRowsOfTheWhole) {
  const auto [ranks, rows, channels] = GetParam();
  const VaeConfig config{.block_out_channels = {channels, 2 * channels, 2 * channels},
                         .norm_groups = 4};
  const auto latents = normals({2, 4, rows, 6});
  const auto whole = VaeDecoder(config, random_weights())(latents);
  run_ranks(ranks, [&](Group world) {
    const c10::InferenceMode inference;
    const VaeDecoder decoder(config, random_weights(), world);
    const auto band = decoder(latents);
    const auto split = decoder.rows(rows);
    ASSERT_EQ(split.units(), whole.size(2));
    expect_close(band, shard(whole, 2, split, world.rank()));
  });
}

// Few channels are convolved directly, many by Winograd's way.
INSTANTIATE_TEST_SUITE_P(Ranks, BandedDecoder,
                         testing::Combine(testing::Values(1, 2, 3, 4, 8),
                                          testing::Values<int64_t>(1, 3, 8, 13),
                                          testing::Values<int64_t>(8, 32)));

TEST(Bands, MomentsAreThoseOfAllRowsWhateverTheBandsMeans) {
  constexpr int64_t kRows = 7;
  // Bands far apart: an average of variances would miss nearly all of the spread.
  const auto image = normals({2, 6, kRows, 5}) + at::arange(kRows).view({1, 1, kRows, 1}) * 100;
  const auto [variance, mean] = at::var_mean(image.reshape({2, 3, -1}), at::IntArrayRef{2}, 0);
  for (const int ranks : {2, 3, 8}) {
    run_ranks(ranks, [&, variance = variance, mean = mean](Group world) {
      const Bands bands(world, kRows);
      const auto mine = bands.mine(image);
      const auto found = bands.moments(mine.reshape({2, 3, 2 * mine.size(2) * 5}));
      EXPECT_TRUE(at::allclose(found.mean, mean, 1e-6));
      EXPECT_TRUE(at::allclose(found.variance, variance, 1e-6));
    });
  }
}

}  // namespace
}  // namespace trireme
