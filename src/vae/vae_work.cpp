#include "src/vae/vae_work.h"

#include "src/vae/tile_grid.h"

namespace trireme {
namespace {

// Convolutions and norms in the order in which the decoder has them.
class Walk {
 public:
  explicit Walk(VaeWork& work) : work_(work) {}

  void convolution(int64_t in, int64_t out, int64_t kernel = 3) {
    work_.convolutions.push_back({.in = in, .out = out, .kernel = kernel, .factor = factor_});
  }
  void norm(int64_t channels) {
    work_.norm_elements += 2 * channels;  // scale and shift
    ++work_.norms;
  }
  void resnet(int64_t in, int64_t out) {
    norm(in);
    convolution(in, out);
    norm(out);
    convolution(out, out);
    if (in != out) convolution(in, out, 1);
  }
  void upsample(int64_t channels) {
    convolution(channels, channels);
    work_.convolutions.back().doubles = true;
    factor_ *= 2;
  }

 private:
  VaeWork& work_;
  int64_t factor_ = 1;
};

}  // namespace

VaeWork vae_work(const VaeConfig& c, bool tiles) {
  auto channels = c.block_out_channels.back();
  VaeWork work{.latent_channels = c.latent_channels,
               .channels = c.block_out_channels,
               .layers_per_block = c.layers_per_block,
               .upscale = c.upscale(),
               .attention_channels = c.mid_attention ? channels : 0,
               .tiles = tiles,
               .tile_side = TileSides(c).latents};
  Walk walk(work);
  if (c.post_quant_conv) walk.convolution(c.latent_channels, c.latent_channels, 1);
  walk.convolution(c.latent_channels, channels);
  for (int i = 0; i < 2; ++i) walk.resnet(channels, channels);  // around the attention
  if (c.mid_attention) walk.norm(channels);
  for (auto level = c.levels() - 1; level >= 0; --level) {
    const auto out = c.block_out_channels[level];
    for (int64_t i = 0; i <= c.layers_per_block; ++i) walk.resnet(i == 0 ? channels : out, out);
    channels = out;
    if (level > 0) walk.upsample(channels);
  }
  walk.norm(channels);
  walk.convolution(channels, c.out_channels);
  return work;
}

}  // namespace trireme
