// QuantizedMatrix: a rank's part of a weight matrix, held as codes. A product never makes a matrix
// of numbers again: a tile of rows at a time goes through one buffer that stays in the cache, on a
// CPU as many tiles at once as there are threads. Codes and scales are those of the whole matrix,
// however it was cut, and a product's bits do not depend on the threads.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <vector>

#include "parallel/layers/matrix_slice.h"
#include "parallel/quantization.h"
#include "parallel/split.h"

namespace trireme {

class QuantizedMatrix {
 public:
  virtual ~QuantizedMatrix() = default;

  virtual int64_t rows() const = 0;
  virtual int64_t columns() const = 0;
  virtual std::vector<at::Tensor> tensors() const = 0;  // codes and scales
  int64_t bytes() const;                                // of these

  // The numbers of these rows into a tile [rows.length, columns] of any floating type: by ATen's
  // operators, on any device, and by loops on a CPU, float32 one row after the other.
  virtual void fill(const at::Tensor& tile, Part rows) const = 0;
  virtual void fill_on_host(float* tile, Part rows) const = 0;

  // x [n, columns] -> y [n, rows], which is written; both are of one type, in which it is computed.
  virtual void multiply(const at::Tensor& x, const at::Tensor& y) const;
  // The rows of a table: int64 [...] -> [..., columns] of this type.
  at::Tensor look_up(const at::Tensor& ids, at::ScalarType type) const;
};

// Rows in tiles whose numbers of this many bytes each fit a cache; on a CPU in parallel.
void for_each_tile(const QuantizedMatrix& matrix, const at::Tensor& like,
                   const std::function<void(Part rows)>& work);

// A tile of numbers [rows, k] times x laid across [k, n], both float32 on a CPU -> [rows, n]. Where
// the processor has them by oneDNN's small kernels, which take both as they are, on this thread
// alone, and whose bits do not depend on how many there are.
at::Tensor product_of_tile(const at::Tensor& tile, const at::Tensor& across);
// To be called once before threads do so, as the kernels end a process that has no memory for them.
void prepare_products();

// multiply's two ways: by the loops of fill_on_host, or by fill.
void multiply_on_host(const QuantizedMatrix& matrix, const at::Tensor& x, const at::Tensor& y);
void multiply_on_device(const QuantizedMatrix& matrix, const at::Tensor& x, const at::Tensor& y);

using MatrixPtr = std::shared_ptr<const QuantizedMatrix>;

// Reads the slice and makes codes of it as `how` says, or takes the codes that the file holds.
// Collective over the slice's group.
MatrixPtr read_quantized(const MatrixSlice& slice, const Quantization& how);
// The same for a slice that is to stay numbers of its source's type, beside others that are codes.
MatrixPtr read_plain(const MatrixSlice& slice);

}  // namespace trireme
