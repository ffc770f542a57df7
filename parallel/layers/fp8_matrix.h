// Fp8Matrix: numbers of 8 bits, float8_e4m3fn, without scales: a sign, 4 bits of exponent and 3 of
// fraction, 448 at most. A weight beyond that has no such number and is an error, not a NaN.
#pragma once

#include <ATen/ATen.h>

#include "parallel/layers/quantized_matrix.h"

namespace trireme {

class Fp8Matrix final : public QuantizedMatrix {
 public:
  // Error (kBadData) names a weight that does not fit.
  static Fp8Matrix quantize(const MatrixSlice& slice);

  int64_t rows() const override { return numbers_.size(0); }
  int64_t columns() const override { return numbers_.size(1); }
  std::vector<at::Tensor> tensors() const override { return {numbers_}; }
  void fill(const at::Tensor& tile, Part rows) const override;
  void fill_on_host(float* tile, Part rows) const override;

  const at::Tensor& numbers() const { return numbers_; }

 private:
  explicit Fp8Matrix(at::Tensor numbers) : numbers_(std::move(numbers)) {}

  at::Tensor numbers_;  // float8_e4m3fn [rows, columns]
};

}  // namespace trireme
