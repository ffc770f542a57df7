// VocabEmbedding: a lookup table whose rows are cut over a group. Each rank looks up the ids it
// holds, gives zero for the others and the sum is exact: the same bits for any number of ranks.
#pragma once

#include <ATen/ATen.h>

#include "parallel/group.h"
#include "parallel/split.h"
#include "parallel/tensor_source.h"

namespace trireme {

class VocabEmbedding {
 public:
  // Reads `name` [vocab, width] in the scope.
  VocabEmbedding(const Weights& weights, const std::string& name, const Group& group, int64_t vocab,
                 int64_t width);
  at::Tensor operator()(const at::Tensor& ids) const;  // int64 [...] -> [..., width]

 private:
  at::Tensor rows_;  // [vocab of this rank, width]
  Part held_;
  Group group_;
};

}  // namespace trireme
