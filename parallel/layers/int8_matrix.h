// Int8Matrix: rows of whole numbers with the largest magnitude of each row of the whole matrix, as
// bitsandbytes makes them. With an activation threshold a product is LLM.int8() (Dettmers et al.
// 2022): columns of x with a magnitude of at least the threshold are multiplied as numbers, all
// others are rounded to 127 steps of their token's largest magnitude, and multiplied as whole
// numbers. Where the columns are cut over a group, a token's largest is the group's.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "parallel/layers/quantized_matrix.h"

namespace trireme {

class Int8Matrix final : public QuantizedMatrix {
 public:
  static Int8Matrix quantize(const MatrixSlice& slice, std::optional<double> activation_threshold);
  // The codes of a file.
  static Int8Matrix read(const MatrixSlice& slice, const StoredCodes& stored,
                         std::optional<double> activation_threshold);

  int64_t rows() const override { return codes_.size(0); }
  int64_t columns() const override { return codes_.size(1); }
  std::vector<at::Tensor> tensors() const override { return {codes_, scales_}; }
  void fill(const at::Tensor& tile, Part rows) const override;
  void fill_on_host(float* tile, Part rows) const override;
  void multiply(const at::Tensor& x, const at::Tensor& y) const override;

  const at::Tensor& codes() const { return codes_; }
  const at::Tensor& scales() const { return scales_; }

 private:
  Int8Matrix(at::Tensor codes, at::Tensor scales, const MatrixSlice& slice,
             std::optional<double> activation_threshold);
  at::Tensor tile_of(const at::Tensor& columns, Part rows) const;
  void add_outliers(const at::Tensor& x, const at::Tensor& columns, const at::Tensor& sum) const;
  void add_outliers_on_host(const at::Tensor& across, const at::Tensor& columns,
                            const at::Tensor& sum) const;
  at::Tensor integer_product(const at::Tensor& x) const;  // int8 [n, columns] -> int32 [n, rows]

  at::Tensor codes_;   // int8 [rows, columns]
  at::Tensor scales_;  // float32 [rows]
  std::optional<double> activation_threshold_;
  Group columns_group_;  // over which the columns are cut, if they are
};

// a [n, k] b^T [m, k], both int8, int32: exact whichever way it is computed, by ATen's product of
// whole numbers or by float32 in pieces whose sums float32 holds.
at::Tensor product_of_integers(const at::Tensor& a, const at::Tensor& b);
at::Tensor product_of_integers_as_floats(const at::Tensor& a, const at::Tensor& b);

}  // namespace trireme
