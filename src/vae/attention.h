// PixelAttention: every pixel of the smallest image looks at every other, with one head as wide as
// the image has channels. A score matrix would grow with the fourth power of the side (a quarter of
// a terabyte at 4096 pixels), so the kernel streams it and none is ever held.
#pragma once

#include <ATen/ATen.h>

#include "src/nn/group_norm.h"
#include "src/vae/vae_config.h"

namespace trireme {

class PixelAttention {
 public:
  // Reads to_q, to_k, to_v and to_out.0, or the names of older files: query, key, value, proj_attn.
  PixelAttention(const Weights& weights, const VaeConfig& config, int64_t channels);
  // [n, channels, h, w], the same. Of an image in bands, keys and values go round the ranks.
  at::Tensor operator()(const at::Tensor& x, const Bands& bands) const;

 private:
  GroupNorm norm_;
  at::Tensor qkv_, qkv_bias_;  // [3 x channels, channels], [3 x channels]
  at::Tensor out_, out_bias_;  // [channels, channels], [channels]
};

}  // namespace trireme
