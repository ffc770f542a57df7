#include "src/vae/vae_flops.h"

#include "parallel/flops.h"
#include "parallel/layers/band_rows.h"
#include "src/vae/tile_grid.h"

namespace trireme {
namespace {

// An image on its way through the decoder: `factor` pixels along a side for each of the latents.
struct Image {
  BandRows rows;
  int64_t width;
  int64_t factor = 1;

  int64_t held() const { return rows.held(factor) * width * factor; }
  int64_t all() const { return rows.all(factor) * width * factor; }
  int64_t worked() const { return rows.worked(factor) * width * factor; }

  // Only 3x3 convolutions look beyond a rank's rows.
  int64_t conv3(int64_t in, int64_t out) const { return conv_flops(worked(), in, out, 3); }
  int64_t conv1(int64_t in, int64_t out) const { return conv_flops(held(), in, out, 1); }
  int64_t upsample(int64_t channels) const {  // rows of the small image are what is made again
    return conv_flops(4 * worked(), channels, channels, 3);
  }
  int64_t resnet(int64_t in, int64_t out) const {
    return conv3(in, out) + conv3(out, out) + (in == out ? 0 : conv1(in, out));
  }
  int64_t attention(int64_t channels) const {
    return linear_flops(held(), channels, 3 * channels) + linear_flops(held(), channels, channels) +
           attention_flops(held(), all(), channels);
  }
};

int64_t decode_flops(const VaeConfig& c, int64_t height, int64_t width, const Coordinate& patch) {
  Image image{BandRows(height, patch), width};
  auto channels = c.block_out_channels.back();
  auto flops = (c.post_quant_conv ? image.conv1(c.latent_channels, c.latent_channels) : 0) +
               image.conv3(c.latent_channels, channels) + 2 * image.resnet(channels, channels) +
               (c.mid_attention ? image.attention(channels) : 0);
  for (auto level = c.levels() - 1; level >= 0; --level) {
    const auto out = c.block_out_channels[level];
    flops += image.resnet(channels, out) + c.layers_per_block * image.resnet(out, out);
    channels = out;
    if (level == 0) continue;
    flops += image.upsample(channels);
    image.factor *= 2;
  }
  return flops + image.conv3(channels, c.out_channels);
}

}  // namespace

int64_t vae_flops(const VaeConfig& config, int64_t height, int64_t width, const Coordinate& patch,
                  bool tiling) {
  if (!tiling || !needs_tiles(height, width, config))
    return decode_flops(config, height, width, patch);
  int64_t flops = 0;
  for (const auto& rows : tiles_along(height, config))
    for (const auto& columns : tiles_along(width, config))
      flops += decode_flops(config, rows.length, columns.length, {});
  return flops;
}

}  // namespace trireme
