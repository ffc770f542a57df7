// VocabEmbedding: a lookup table whose rows are cut over a group. Each rank looks up the ids it
// holds, gives zero for the others and the sum is exact: the same bits for any number of ranks. The
// table may be codes, of which the rows that are asked for become numbers.
#pragma once

#include <ATen/ATen.h>

#include "parallel/group.h"
#include "parallel/layers/quantized_matrix.h"
#include "parallel/split.h"
#include "parallel/tensor_source.h"

namespace trireme {

class VocabEmbedding {
 public:
  // Reads `name` [vocab, width] in the scope, and holds it as `how` says.
  VocabEmbedding(const Weights& weights, const std::string& name, const Group& group, int64_t vocab,
                 int64_t width, const Quantization& how = {});
  at::Tensor operator()(const at::Tensor& ids) const;  // int64 [...] -> [..., width]

 private:
  at::Tensor look_up(const at::Tensor& ids) const;  // in this rank's rows

  at::Tensor rows_;  // [vocab of this rank, width]
  MatrixPtr codes_;  // instead
  int64_t width_;
  at::TensorOptions numbers_;  // what is looked up comes as this
  Part held_;
  Group group_;
};

}  // namespace trireme
