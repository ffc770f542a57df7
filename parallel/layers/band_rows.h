// BandRows: the rows of an image in bands (bands.h) as numbers: how many one rank holds, and on how
// many it works, since it makes its edge rows again when their neighbours have come. One rank
// alone holds all rows and makes each once.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/coordinates.h"
#include "parallel/split.h"

namespace trireme {

// A row of a band that is made again, between those of its neighbours that the image has.
struct RemadeRow {
  int64_t row;
  bool before, after;
};

// Of a band of at least one row, whose image goes on above or below it.
inline std::vector<RemadeRow> remade_rows(int64_t rows, bool above, bool below) {
  const bool several = rows > 1;
  if (above && below && several) return {{0, true, true}, {rows - 1, true, true}};
  if (above) return {{0, true, several || below}};
  if (below) return {{rows - 1, several, true}};
  return {};
}

class BandRows {
 public:
  // An image of so many rows at its smallest, as Bands cuts it. At `factor` rows for each of the
  // smallest the cut is the same.
  BandRows(int64_t rows, const Coordinate& rank) : split_(rows, rank.ranks), rank_(rank) {}

  int64_t all(int64_t factor) const { return split_.units() * factor; }
  int64_t held(int64_t factor) const { return split_[rank_.rank].length * factor; }
  // Rows that Bands::apply gives to what it applies.
  int64_t worked(int64_t factor) const {
    const auto rows = held(factor);
    if (rank_.ranks > 1 && rows == 0) return 1;  // for the shape
    auto worked = rows;
    for (const auto& r : remade_rows(rows, holds(rank_.rank - 1), holds(rank_.rank + 1)))
      worked += 1 + (r.before ? 1 : 0) + (r.after ? 1 : 0);
    return worked;
  }

 private:
  bool holds(int rank) const { return rank >= 0 && rank < rank_.ranks && split_[rank].length > 0; }

  Split split_;
  Coordinate rank_;
};

}  // namespace trireme
