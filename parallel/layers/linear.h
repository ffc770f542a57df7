// Linear layers that hold their own part of the weight over a group and talk where the maths needs
// it: Column cuts the outputs, Row cuts the inputs and sums, so Row after Column is a whole MLP
// with one all_reduce. Cuts fall between units (heads), never inside one. Over a group of one they
// are plain linear layers. Weights are held as the source says (quantization.h), the same codes
// whatever the cut; a fused layer's parts are matrices of their own.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <string>

#include "parallel/group.h"
#include "parallel/layers/linear_map.h"
#include "parallel/split.h"
#include "parallel/tensor_source.h"

namespace trireme {

// The whole layer y = x W^T + b, before it is cut. `unit`: channels that stay together on a rank.
// `plain`: numbers even where the source's weights are to be codes, for small layers at the ends of
// a model, whose errors nothing averages out.
struct LinearShape {
  int64_t in;
  int64_t out;
  int64_t unit = 1;
  bool bias = true;
  bool plain = false;
};

// Every rank holds all of it.
class Linear {
 public:
  Linear(const Weights& weights, LinearShape shape);
  at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]

 private:
  LinearMap map_;
};

// Holds a part of the outputs: x whole -> y cut.
class ColumnLinear {
 public:
  ColumnLinear(const Weights& weights, const Group& group, LinearShape shape);
  at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out of this rank]

 private:
  LinearMap map_;  // to the outputs of this rank
};

// Column, then gathered: x whole -> y whole. For small outputs of large weights (modulations).
class GatheredLinear {
 public:
  GatheredLinear(const Weights& weights, const Group& group, LinearShape shape);
  at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]

 private:
  ColumnLinear column_;
  Group group_;
  Split split_;
};

// N Column layers on the same input as one matrix product. Returns as many tensors as it has parts,
// so that `auto [q, k, v] = qkv(x)` is checked by the compiler.
template <size_t N>
class FusedColumnLinear {
 public:
  // One scope for each part; all parts have the same shape.
  FusedColumnLinear(const std::array<Weights, N>& parts, const Group& group, LinearShape shape);
  // [..., in] -> N x [..., out of this rank], views of one tensor
  std::array<at::Tensor, N> operator()(const at::Tensor& x) const;

 private:
  LinearMap map_;  // to N x the outputs of this rank
};

// Holds a part of the inputs: x cut -> y whole; sums over the group, then adds the bias once.
class RowLinear {
 public:
  RowLinear(const Weights& weights, const Group& group, LinearShape shape);
  at::Tensor operator()(const at::Tensor& x) const;  // [..., in of this rank] -> [..., out]
  // The same in float32 whatever the weight's type, for sums that outgrow float16.
  at::Tensor in_float32(const at::Tensor& x) const;

 private:
  at::Tensor summed(at::Tensor part) const;

  LinearMap map_;  // from the inputs of this rank
  Group group_;
};

extern template class FusedColumnLinear<2>;
extern template class FusedColumnLinear<3>;

}  // namespace trireme
