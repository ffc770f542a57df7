// The two-layer network of every transformer block, its hidden units cut over a group.
#pragma once

#include <ATen/ATen.h>

#include "parallel/layers/linear.h"
#include "src/nn/activations.h"

namespace trireme {

struct FeedForward {
  ColumnLinear in;
  RowLinear out;
  Activation activation = Activation::kGeluTanh;

  // diffusers' names: net.0.proj and net.2
  FeedForward(const Weights& weights, const Group& tensor, int64_t width, int64_t hidden)
      : in(weights / "net" / 0 / "proj", tensor, {.in = width, .out = hidden}),
        out(weights / "net" / 2, tensor, {.in = hidden, .out = width}) {}

  at::Tensor operator()(const at::Tensor& x) const {  // [batch, tokens, width], the same
    return out(activate(in(x), activation));
  }
};

}  // namespace trireme
