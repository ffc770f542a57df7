// PositionTable: SD3's stored embeddings of patch positions, of which every picture takes the
// middle. A picture that is larger than the table has no positions, unless the table is extended:
// by the formula that made it, on with the same spacing to all sides, so that whatever it holds
// stays as it is. No SD3 was trained on those.
#pragma once

#include <ATen/ATen.h>

#include "parallel/tensor_source.h"

namespace trireme {

enum class BeyondTable { kRefuse, kExtend };

// The stored table, [1, size x size, width]. It was made at coordinates i x base / size.
struct PositionShape {
  int64_t size;
  int64_t width;
  double base;
};

class PositionTable {
 public:
  PositionTable(const Weights& weights, PositionShape shape,
                BeyondTable beyond = BeyondTable::kRefuse);
  // Of a grid of patches, [1, rows x columns, width]; reads the rows that it needs. Error (kBadJob)
  // for one that ends beyond a table that is not extended.
  at::Tensor crop(int64_t rows, int64_t columns) const;

 private:
  at::Tensor stored(int64_t rows, int64_t columns) const;    // [rows, columns, width]
  at::Tensor extended(int64_t rows, int64_t columns) const;  // the same

  Weights weights_;
  PositionShape shape_;
  BeyondTable beyond_;
};

}  // namespace trireme
