// VaeDecoder: the decoder of AutoencoderKL (Rombach et al. 2022): latents as they were denoised ->
// image. Samples are decoded one at a time, so that a batch gives the same bits as its samples.
// Over a patch group each rank makes a band of rows, of the same image to rounding. The encoder's
// weights are counted as used and not read.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "src/nn/conv.h"
#include "src/nn/group_norm.h"
#include "src/vae/attention.h"
#include "src/vae/resnet.h"
#include "src/vae/vae_config.h"

namespace trireme {

// One level of the decoder; all but the last double the image's side at their end.
class UpBlock {
 public:
  UpBlock(const Weights& weights, const VaeConfig& config, int64_t in, int64_t out, bool doubles);
  // [n, in, h, w] -> [n, out, h or 2h, w or 2w]
  at::Tensor operator()(at::Tensor x, const Bands& bands) const;

 private:
  std::vector<Resnet> resnets_;
  std::optional<UpsampleConv2d> upsample_;
};

class VaeDecoder {
 public:
  // Names as in diffusers' AutoencoderKL.
  // `tiling`: larger images than the config's sample_size are decoded in tiles (tiles.h), by one
  // rank.
  VaeDecoder(const VaeConfig& config, const Weights& weights, Group patch = {},
             bool tiling = false);

  // latents [batch, latent channels, h, w] of any floating dtype -> this rank's rows of
  // [batch, 3, 8h, 8w] in [-1, 1] or a little beyond, in the weights' dtype. Collective over the
  // patch group, whose ranks all have the latents.
  at::Tensor operator()(const at::Tensor& latents) const;
  // The same from this rank's rows of latents that have so many.
  at::Tensor decode_rows(const at::Tensor& latents, int64_t latent_rows) const;
  // Who makes which rows of the image of so many rows of latents.
  Split rows(int64_t latent_rows) const {
    return Bands(patch_, latent_rows).rows(config_.upscale());
  }
  // FLOPs (parallel/flops.h) of this rank for one sample of latents height x width.
  int64_t flops(int64_t height, int64_t width) const;
  const Group& patch() const { return patch_; }

  const VaeConfig& config() const { return config_; }

 private:
  at::Tensor unscaled(const at::Tensor& latents) const;
  at::Tensor decode(const at::Tensor& z, const Bands& bands) const;  // one sample

  VaeConfig config_;
  Group patch_;
  bool tiling_;
  std::optional<Conv2d> post_quant_;
  Conv2d conv_in_;
  Resnet mid1_;
  std::optional<PixelAttention> attention_;
  Resnet mid2_;
  std::vector<UpBlock> ups_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
};

}  // namespace trireme
