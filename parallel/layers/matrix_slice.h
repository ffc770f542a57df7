// MatrixSlice: the rectangle of a stored matrix [out, in] that a rank makes codes of, read a few
// rows at a time, so that the numbers themselves never stand in memory together. (A cut along the
// columns is read as one: no more than half of a matrix.) It owns nothing but what it has read. On
// one rank the rectangle is the matrix.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>

#include "parallel/group.h"
#include "parallel/split.h"
#include "parallel/tensor_source.h"

namespace trireme {

// Which part of which dimension; the ranks of `group` hold the other parts.
struct MatrixCut {
  int64_t dim = 0;
  Part part = {};
  Group group = {};
};

// The larger of the ranks' numbers, everywhere the same.
at::Tensor largest_over(const Group& group, const at::Tensor& x);

class MatrixSlice {
 public:
  MatrixSlice(Weights weights, std::string name, int64_t out, int64_t in, MatrixCut cut);

  int64_t rows() const { return rows_.length; }
  int64_t columns() const { return columns_.length; }
  Part row_part() const { return rows_; }        // of out
  Part column_part() const { return columns_; }  // of in
  int64_t out() const { return out_; }
  int64_t in() const { return in_; }
  bool cuts_columns() const { return cut_.dim == 1 && !cut_.group.alone(); }
  const Group& group() const { return cut_.group; }
  const Weights& weights() const { return weights_; }
  const std::string& name() const { return name_; }
  at::Device device() const { return weights_.options(name_).device(); }

  // Calls `take` with all rows, float32 [a few rows, columns] at a time, and which they are: on a
  // CPU with several chunks at once where the order says nothing.
  enum class Order { kAny, kInTurn };
  void for_each_chunk(const std::function<void(const at::Tensor&, Part)>& take,
                      Order order = Order::kAny) const;

 private:
  at::Tensor read(int64_t dim, Part part) const;

  Weights weights_;
  std::string name_;
  int64_t out_, in_;
  MatrixCut cut_;
  Part rows_, columns_;
  mutable at::Tensor cut_columns_;  // float32 [out, columns], once it has been read
};

}  // namespace trireme
