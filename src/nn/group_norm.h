// GroupNorm (Wu and He 2018): each group of channels of each image is normalised by its own
// moments, float32 whatever the image's type; of an image in bands, by those of all its rows. The
// VAE always follows it with SiLU or with nothing.
#pragma once

#include <ATen/ATen.h>

#include "parallel/layers/bands.h"
#include "parallel/tensor_source.h"

namespace trireme {

class GroupNorm {
 public:
  GroupNorm(const Weights& weights, int64_t channels, int64_t groups, double eps);
  // [n, channels, h, w], a new tensor
  at::Tensor operator()(const at::Tensor& x, const Bands& bands = {}) const;

 private:
  at::Tensor weight_, bias_;  // [channels]
  int64_t groups_;
  double eps_;
};

}  // namespace trireme
