#include "src/transformers/position_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/error.h"
#include "src/nn/embeddings.h"

namespace trireme {
namespace {

// Where a side of n patches begins in the middle of a table; before it, if there are more.
int64_t first_of(int64_t n, int64_t size) {
  const auto spare = size - n;
  return spare >= 0 ? spare / 2 : -((1 - spare) / 2);
}

}  // namespace

PositionTable::PositionTable(const Weights& weights, PositionShape shape, BeyondTable beyond)
    : weights_(weights), shape_(shape), beyond_(beyond) {
  stored(0, 0);  // so that a table of the wrong shape is found at load
}

at::Tensor PositionTable::crop(int64_t rows, int64_t columns) const {
  const bool within = rows <= shape_.size && columns <= shape_.size;
  if (!within && beyond_ == BeyondTable::kRefuse)
    throw Error(
        Exit::kBadJob,
        fmt::format("[sampling] {} x {} patches -> at most {} x {}, the model's position table "
                    "-> choose a smaller picture, or position_table: extend",
                    rows, columns, shape_.size, shape_.size));
  const auto grid = within ? stored(rows, columns) : extended(rows, columns);
  return grid.reshape({1, rows * columns, shape_.width});
}

at::Tensor PositionTable::stored(int64_t rows, int64_t columns) const {
  const auto size = shape_.size, top = first_of(rows, size);
  return weights_.read("pos_embed", {1, size * size, shape_.width}, 1, {top * size, rows * size})
      .view({rows, size, shape_.width})
      .narrow(1, first_of(columns, size), columns);
}

at::Tensor PositionTable::extended(int64_t rows, int64_t columns) const {
  const auto size = shape_.size;
  const auto coordinates = [&](int64_t n) {
    const auto first = first_of(n, size);
    return at::arange(first, first + n, at::kFloat).div(static_cast<double>(size) / shape_.base);
  };
  const auto known = stored(std::min(rows, size), std::min(columns, size));
  const auto grid = grid_sinusoid(coordinates(rows), coordinates(columns), shape_.width)
                        .view({rows, columns, shape_.width})
                        .to(known.options());
  grid.narrow(0, std::max<int64_t>(-first_of(rows, size), 0), known.size(0))
      .narrow(1, std::max<int64_t>(-first_of(columns, size), 0), known.size(1))
      .copy_(known);
  return grid;
}

}  // namespace trireme
