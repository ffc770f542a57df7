// KvSampling: which tokens are left as keys and values where PixArt-Sigma compresses them (Chen et
// al. 2024, section 3.3), as numbers alone, for models and for what only counts. Tokens lie on a
// grid, row by row. A factor of one leaves all of them.
#pragma once

#include <cstdint>

#include "parallel/split.h"

namespace trireme {

// The image tokens: a grid row by row, and which of them each rank of a sequence group holds.
struct ImageTokens {
  int64_t rows;
  int64_t columns;
  Split split;
};

struct KvSampling {
  enum class Kind {
    kConv,  // one token for each square of factor x factor; what is no whole square is left out
    kGrid,  // every factor-th token of every factor-th row
    kFlat,  // every factor-th token of the sequence
  };
  Kind kind = Kind::kConv;
  int64_t factor = 1;

  int64_t left(int64_t rows, int64_t columns) const;
  // Of the tokens that are left, those to which the tokens of `run` belong or contribute. Runs of
  // different ranks may both contribute to a square: they hold different tokens of it.
  Part touched(Part run, int64_t rows, int64_t columns) const;

  bool operator==(const KvSampling&) const = default;
};

}  // namespace trireme
