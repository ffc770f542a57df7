// Nf4Matrix: 4-bit codes and the scales of their blocks (nf4_codes.h). Blocks run on from row to
// row of the whole matrix, so a cut may fall inside of them; each row of a rank's part keeps the
// scales of the blocks that it touches, and codes and scales are those of the whole matrix.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "parallel/layers/nf4_codes.h"
#include "parallel/layers/quantized_matrix.h"

namespace trireme {

class Nf4Matrix final : public QuantizedMatrix {
 public:
  static Nf4Matrix quantize(const MatrixSlice& slice, bool double_quant);
  // The codes of a file.
  static Nf4Matrix read(const MatrixSlice& slice, const StoredCodes& stored);

  int64_t rows() const override { return grid_.rows.length; }
  int64_t columns() const override { return grid_.columns.length; }
  std::vector<at::Tensor> tensors() const override;
  void fill(const at::Tensor& tile, Part rows) const override;
  void fill_on_host(float* tile, Part rows) const override;

  at::Tensor codes() const { return unpacked(bytes_, columns()); }  // int32 [rows, columns]
  at::Tensor scales(Part rows) const;                   // float32 [rows.length, blocks of a row]
  const ScaleCodes& nested() const { return nested_; }  // codes: [rows, blocks of a row]

 private:
  // The scales, or their codes, of the whole matrix: [blocks].
  Nf4Matrix(BlockGrid grid, at::Tensor bytes, const at::Tensor& scales);
  Nf4Matrix(BlockGrid grid, at::Tensor bytes, ScaleCodes scales);
  at::Tensor own(const at::Tensor& of_blocks) const;

  BlockGrid grid_;
  at::Tensor bytes_;   // uint8 [rows, columns / 2 up], two codes each
  at::Tensor scales_;  // float32 [rows, blocks of a row]; undefined with double quantization
  ScaleCodes nested_;  // of all blocks but for `codes`, which are of those of these rows
};

}  // namespace trireme
