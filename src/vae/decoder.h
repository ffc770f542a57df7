// VaeDecoder: the decoder of AutoencoderKL (Rombach et al. 2022): latents as they were denoised ->
// image. Samples are decoded one at a time, so that a batch gives the same bits as its samples. The
// encoder's weights are counted as used and not read.
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
  at::Tensor operator()(at::Tensor x) const;  // [n, in, h, w] -> [n, out, h or 2h, w or 2w]

 private:
  std::vector<Resnet> resnets_;
  std::optional<UpsampleConv2d> upsample_;
};

class VaeDecoder {
 public:
  // Names as in diffusers' AutoencoderKL.
  VaeDecoder(const VaeConfig& config, const Weights& weights);

  // latents [batch, latent channels, h, w] of any floating dtype -> [batch, 3, 8h, 8w] in [-1, 1]
  // or a little beyond, in the weights' dtype
  at::Tensor operator()(const at::Tensor& latents) const;

  const VaeConfig& config() const { return config_; }

 private:
  at::Tensor unscaled(const at::Tensor& latents) const;
  at::Tensor decode(const at::Tensor& z) const;  // one sample

  VaeConfig config_;
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
