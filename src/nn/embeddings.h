// Embeddings that are formulas or tiny networks: of the timestep, and of patch positions.
#pragma once

#include <ATen/ATen.h>

#include "parallel/layers/linear.h"
#include "parallel/tensor_source.h"

namespace trireme {

// [cos(t w_k) | sin(t w_k)], w_k = 10000^(-k / 128), k < 128 (Vaswani et al. 2017, as diffusers
// orders it). t float32 [n] -> float32 [n, 256].
at::Tensor timestep_sinusoid(const at::Tensor& t);

// 2-D sine-cosine positions of a grid, row by row: [rows x columns, width] float32. The first half
// of the channels encodes the column, the second the row, each [sin | cos]. Coordinates run
// through [0, base / interpolation) whatever the grid's size (PixArt-Sigma, section 3.2).
at::Tensor grid_sinusoid(int64_t rows, int64_t columns, int64_t width, double base,
                         double interpolation);

// The same at coordinates of one's own, float32 [rows] and [columns].
at::Tensor grid_sinusoid(const at::Tensor& y, const at::Tensor& x, int64_t width);

// Linear - activation - Linear, the little network that embeds a conditioning vector. Never
// quantized.
class EmbeddingMlp {
 public:
  EmbeddingMlp(const Weights& weights, int64_t in, int64_t out);
  at::Tensor operator()(const at::Tensor& x) const;  // [n, in] -> [n, out]

 private:
  Linear linear_1_, linear_2_;
};

}  // namespace trireme
