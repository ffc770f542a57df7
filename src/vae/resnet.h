// Resnet: the residual block of the VAE, norm - SiLU - conv twice, beside the image itself or,
// where the number of channels changes, beside its projection.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "src/nn/conv.h"
#include "src/nn/group_norm.h"
#include "src/vae/vae_config.h"

namespace trireme {

constexpr double kVaeNormEps = 1e-6;

class Resnet {
 public:
  Resnet(const Weights& weights, const VaeConfig& config, int64_t in, int64_t out);
  // [n, in, h, w] -> [n, out, h, w]
  at::Tensor operator()(const at::Tensor& x, const Bands& bands) const;

 private:
  GroupNorm norm1_;
  Conv2d conv1_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::optional<Conv2d> shortcut_;
};

}  // namespace trireme
