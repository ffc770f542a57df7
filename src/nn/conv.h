// Convolutions that keep an image's size, or double it. Images are [batch, channels, height,
// width]; of an image in bands each rank gives and gets its rows.
#pragma once

#include <ATen/ATen.h>

#include "parallel/layers/bands.h"
#include "parallel/tensor_source.h"

namespace trireme {

struct ConvShape {
  int64_t in;
  int64_t out;
  int64_t kernel = 3;  // 1 or 3; zeros around the image keep its size
};

class Conv2d {
 public:
  Conv2d(const Weights& weights, ConvShape shape);
  // [n, in, h, w] -> [n, out, h, w]
  at::Tensor operator()(const at::Tensor& x, const Bands& bands = {}) const;
  at::ScalarType dtype() const { return weight_.scalar_type(); }

 private:
  at::Tensor same(const at::Tensor& x) const;

  int64_t kernel_;
  bool winograd_;
  at::Tensor weight_;  // [out, in, kernel, kernel], or [16, out, in] for winograd_conv
  at::Tensor bias_;    // [out]
};

// Nearest up-sampling by 2 and then a 3x3 convolution, as one 2x2 convolution of the small image:
// taps that fall on the same source pixel are summed beforehand, once for each of the four phases
// of an output pixel. The same function with 16 instead of 36 products.
class UpsampleConv2d {
 public:
  UpsampleConv2d(const Weights& weights, int64_t in, int64_t out);
  // [n, in, h, w] -> [n, out, 2h, 2w]
  at::Tensor operator()(const at::Tensor& x, const Bands& bands = {}) const;

 private:
  at::Tensor doubled(const at::Tensor& x) const;

  bool winograd_;
  at::Tensor weight_;  // [4 x out, in, 2, 2], the phases (row, column) outermost, or [9, out, in]
  at::Tensor bias_;    // [4 x out], or [out]
};

}  // namespace trireme
