// FLOPs of what the large products do: 2 for a multiply-add. Only matrix products, attention
// products and convolutions count; element-wise work (norms, activations, softmax) does not. A
// convolution counts as what it means: algorithms that need fewer products (Winograd, folded taps)
// do the same work faster. Plain numbers, so that what runs and what is only planned share them.
#pragma once

#include <cstdint>

namespace trireme {

constexpr int64_t linear_flops(int64_t rows, int64_t in, int64_t out) {
  return 2 * rows * in * out;
}

// The scores q k^T and then their product with v, over `channels` = heads x head_dim.
constexpr int64_t attention_flops(int64_t queries, int64_t keys, int64_t channels) {
  return 4 * queries * keys * channels;
}

// `pixels` of the output.
constexpr int64_t conv_flops(int64_t pixels, int64_t in, int64_t out, int64_t kernel) {
  return 2 * pixels * in * out * kernel * kernel;
}

}  // namespace trireme
