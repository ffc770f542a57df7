// GroupNorm (Wu and He 2018): each group of channels of each image is normalised by its own
// moments, float32 whatever the image's type. The VAE always follows it with SiLU or with nothing.
#pragma once

#include <ATen/ATen.h>

#include "parallel/tensor_source.h"

namespace trireme {

class GroupNorm {
 public:
  GroupNorm(const Weights& weights, int64_t channels, int64_t groups, double eps);
  at::Tensor operator()(const at::Tensor& x) const;  // [n, channels, h, w], a new tensor

 private:
  at::Tensor weight_, bias_;  // [channels]
  int64_t groups_;
  double eps_;
};

}  // namespace trireme
