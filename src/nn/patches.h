// Latents to tokens and back. A token is one patch; tokens run row by row.
#pragma once

#include <ATen/ATen.h>

#include "parallel/layers/linear_map.h"
#include "parallel/tensor_source.h"

namespace trireme {

// The patch convolution (kernel = stride = patch) as one matrix product.
class PatchEmbed {
 public:
  PatchEmbed(const Weights& weights, int64_t channels, int64_t width, int64_t patch);
  // [batch, channels, h, w] -> [batch, (h / patch) x (w / patch), width]
  at::Tensor operator()(const at::Tensor& latents) const;

 private:
  LinearMap map_;  // channels x patch x patch to width
  int64_t patch_;
};

// [batch, rows x columns, patch x patch x channels], channels fastest -> [batch, channels,
// rows x patch, columns x patch]
at::Tensor unpatchify(const at::Tensor& tokens, int64_t rows, int64_t columns, int64_t patch);

}  // namespace trireme
