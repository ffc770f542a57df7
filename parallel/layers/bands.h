// Bands: the rows of an image over the ranks of a group, and what ranks must tell each other when
// they work on an image that way: the row beyond an edge, and the moments of all rows. The same cut
// holds at every size that an image takes on its way: a row of the smallest image becomes two,
// four, eight. By default one rank holds all rows.
#pragma once

#include <ATen/ATen.h>

#include <functional>

#include "parallel/group.h"
#include "parallel/split.h"

namespace trireme {

class Bands {
 public:
  Bands() = default;
  // An image of so many rows at its smallest; with fewer rows than ranks the last ranks have none.
  Bands(Group group, int64_t rows) : group_(std::move(group)), rows_(rows, group_.size()) {}

  bool whole() const { return group_.alone(); }
  const Group& group() const { return group_; }
  // Who holds which rows of an image that has `factor` rows for each of the smallest; times a
  // width, who holds which pixels.
  Split rows(int64_t factor = 1) const { return rows_.scaled(factor); }
  // This rank's rows of an image [n, channels, rows, width] that is here as a whole.
  at::Tensor mine(const at::Tensor& image) const;

  // What f makes of this band as a part of its image. f makes `scale` rows of each row, looks at
  // the row before and after it, and takes zeros beyond what it is given. Edge rows travel while it
  // works on the band; then it is given the edges again with their neighbours. Collective.
  using RowMap = std::function<at::Tensor(const at::Tensor& rows)>;
  at::Tensor apply(const at::Tensor& band, int64_t scale, const RowMap& f) const;

  // Mean and variance (of the population) over all numbers of all ranks. Collective.
  struct Moments {
    at::Tensor mean, variance;  // float32 [n, groups]
  };
  Moments moments(const at::Tensor& x) const;  // [n, groups, numbers of this rank]

 private:
  bool holds_rows(int rank) const {
    return rank >= 0 && rank < group_.size() && rows_[rank].length > 0;
  }

  Group group_;
  Split rows_{0, 1};
};

}  // namespace trireme
