// What the VAE says of its FLOPs: at real sizes equal to a count of diffusers' decoder to the last
// digit (tests/goldens/flops.json), on every rank, in bands and in tiles, equal to what ran.
#include "src/vae/vae_flops.h"

#include <gtest/gtest.h>

#include "parallel/flops.h"
#include "parallel/layers/band_rows.h"
#include "parallel/layers/bands.h"
#include "parallel/plan/effort.h"
#include "src/vae/decoder.h"
#include "src/vae/tile_grid.h"
#include "src/vae/vae_work.h"
#include "tests/support/executed_flops.h"
#include "tests/support/recipe.h"
#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// The VAEs of Stable Diffusion 3 (16 latent channels) and of PixArt-Sigma (4).
VaeConfig real_vae(int64_t latent_channels) {
  return {.block_out_channels = {128, 256, 512, 512},
          .layers_per_block = 2,
          .latent_channels = latent_channels,
          .post_quant_conv = latent_channels == 4,
          .sample_size = 1024};
}

// The count is of the module `decoder`; the 1x1 convolution of the latents before it is not part.
int64_t post_quant(const VaeConfig& c, int64_t side) {
  return c.post_quant_conv ? conv_flops(side * side, c.latent_channels, c.latent_channels, 1) : 0;
}

TEST(FlopsOfRealVaes, AreThoseOfDiffusers) {
  const auto counts = read_goldens("flops.json").at("vae_decode");
  ASSERT_EQ(counts.size(), 8);
  for (const auto& count : counts) {
    const auto config = real_vae(count.at("latent_channels"));
    const auto side = count.at("px").get<int64_t>() / config.upscale();
    EXPECT_EQ(vae_flops(config, side, side) - post_quant(config, side), count.at("total_flop"))
        << count;
  }
}

TEST(FlopsOfRealVaes, OfTilesCountWhatOverlaps) {
  // 256 latents of a side in tiles of 128 that begin at 0, 96 and 192.
  const auto config = real_vae(16);
  const auto of = [&](int64_t h, int64_t w) { return vae_flops(config, h, w); };
  EXPECT_EQ(vae_flops(config, 256, 256, {}, /*tiling=*/true),
            4 * of(128, 128) + 2 * of(128, 64) + 2 * of(64, 128) + of(64, 64));
  EXPECT_EQ(vae_flops(config, 128, 128, {}, /*tiling=*/true), of(128, 128));
}

// What a plan counts, on every rank, in bands and in tiles.
TEST(FlopsOfPlans, AreThoseOfTheDecoder) {
  const auto rates = device_by_name("cpu")->rates;
  for (const int64_t channels : {4, 16})
    for (const bool tiles : {false, true})
      for (const int ranks : {1, 2, 3, 8})
        for (int rank = 0; rank < ranks; ++rank) {
          const auto config = real_vae(channels);
          const Talk talk(cluster_of(*device_by_name("cpu"), ranks), std::vector<int>(ranks, 0),
                          std::vector<int>(ranks, 0));
          const Shape shape{.latent_height = 200, .latent_width = 96};
          const auto effort = effort_of_decoder(vae_work(config, tiles), shape, {rank, ranks}, talk,
                                                rates, /*element_bytes=*/4);
          EXPECT_EQ(effort.flops, vae_flops(config, 200, 96, {rank, ranks}, tiles))
              << channels << " channels, tiles " << tiles << ", rank " << rank << " of " << ranks;
        }
}

TEST(TilesAlong, OverlapByAQuarterAndAreCutByTheEnd) {
  const VaeConfig config{.block_out_channels = {8, 16, 16}, .sample_size = 32};
  EXPECT_EQ(tiles_along(14, config), (std::vector<Part>{{0, 8}, {6, 8}, {12, 2}}));
  EXPECT_EQ(tiles_along(5, config), (std::vector<Part>{{0, 5}}));
}

TEST(BandRows, AreTheRowsThatBandsWorkOn) {
  for (const int ranks : {1, 2, 3, 8}) {
    for (const int64_t rows : {1, 2, 3, 8, 13}) {
      for (const int64_t factor : {1, 4}) {
        run_ranks(ranks, [&](Group world) {
          const Bands bands(world, rows);
          const auto band =
              shard(normals({1, 2, rows * factor, 3}), 2, bands.rows(factor), world.rank());
          int64_t worked = 0;
          bands.apply(band, 1, [&](const at::Tensor& x) {
            worked += x.size(2);
            return x.clone();
          });
          const BandRows counted(rows, {world.rank(), ranks});
          EXPECT_EQ(counted.worked(factor), worked)
              << rows << " x " << factor << " rows, rank " << world.rank() << " of " << ranks;
        });
      }
    }
  }
}

// Too few channels for Winograd, which does less than the convolution that it computes.
const VaeConfig kSmall{.block_out_channels = {8, 12, 16}, .latent_channels = 4, .norm_groups = 4};

TEST(FlopsOfVae, OfBandsAreWhatRan) {
  constexpr int64_t kHeight = 13, kWidth = 5;
  const auto latents = normals({1, 4, kHeight, kWidth});
  for (const int ranks : {1, 2, 3, 8}) {
    run_ranks(ranks, [&](Group world) {
      const VaeDecoder decoder(kSmall, random_weights(), world);
      const auto ran = executed_flops([&] { decoder(latents); });
      EXPECT_EQ(decoder.flops(kHeight, kWidth), ran) << world.rank() << " of " << ranks;
    });
  }
}

// On both sides of a cut the edge row is made again between its neighbours, three rows, in each of
// the 3x3 convolutions; before a convolution that doubles the image they are rows of the small one.
TEST(FlopsOfVae, OfBandsExceedTheWholeByTheRowsMadeAgain) {
  constexpr int64_t kHeight = 128, kWidth = 128;  // 1024 pixels
  const auto config = real_vae(16);
  const auto row = [](int64_t factor, int64_t in, int64_t out) {
    return conv_flops(kWidth * factor, in, out, 3);
  };
  const auto doubled = [](int64_t factor, int64_t channels) {
    return conv_flops(4 * kWidth * factor, channels, channels, 3);
  };
  const int64_t rows = row(1, 16, 512) + 4 * row(1, 512, 512) +  // in and middle
                       6 * row(1, 512, 512) + doubled(1, 512) +  // the levels
                       6 * row(2, 512, 512) + doubled(2, 512) +  //
                       row(4, 512, 256) + 5 * row(4, 256, 256) + doubled(4, 256) +
                       row(8, 256, 128) + 5 * row(8, 128, 128) + row(8, 128, 3);
  for (const int ranks : {2, 4, 8}) {
    int64_t sum = 0;
    for (int rank = 0; rank < ranks; ++rank)
      sum += vae_flops(config, kHeight, kWidth, {rank, ranks});
    EXPECT_EQ(sum, vae_flops(config, kHeight, kWidth) + (ranks - 1) * 2 * 3 * rows);
  }
}

TEST(FlopsOfVae, OfTilesAreWhatRan) {
  auto config = kSmall;
  config.sample_size = 32;       // a tile of 8 latents
  config.mid_attention = false;  // a tile of few pixels would be padded for its attention
  const VaeDecoder decoder(config, random_weights(), Group(), /*tiling=*/true);
  const auto latents = normals({1, 4, 14, 9});
  EXPECT_EQ(decoder.flops(14, 9), executed_flops([&] { decoder(latents); }));
  EXPECT_GT(decoder.flops(14, 9), vae_flops(config, 14, 9));
}

}  // namespace
}  // namespace trireme
