// Normalisation layers. Statistics are float32 whatever the tensor's type, because half types lose
// the small differences that a variance is made of.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "parallel/group.h"
#include "parallel/tensor_source.h"

namespace trireme {

// (x - mean) / sqrt(var + eps) * weight + bias over the last dimension.
class LayerNorm {
 public:
  LayerNorm(const Weights& weights, int64_t width, double eps);
  at::Tensor operator()(const at::Tensor& x) const;  // [..., width] -> [..., width]

 private:
  at::Tensor weight_, bias_;  // [width]
  double eps_;
};

// The same over a width of which each rank of a group holds some channels, cut between units
// (heads). Moments are exchanged, two numbers a row and rank. One rank: LayerNorm.
class CutLayerNorm {
 public:
  CutLayerNorm(const Weights& weights, const Group& group, int64_t width, int64_t unit, double eps);
  // [..., channels of this rank], the same
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  double share(int rank) const;  // of the channels

  Group group_;
  Split channels_;
  at::Tensor weight_, bias_;  // [channels of this rank]
  double eps_;
};

// x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich 2019).
class RmsNorm {
 public:
  RmsNorm(const Weights& weights, int64_t width, double eps);
  at::Tensor operator()(const at::Tensor& x) const;  // [..., width] -> [..., width]

 private:
  at::Tensor weight_;  // [width]
  double eps_;
};

// Layer norm without weight and bias, for what modulates it afterwards. [..., width], the same.
at::Tensor unit_norm(const at::Tensor& x, double eps);

}  // namespace trireme
