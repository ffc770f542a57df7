// MeshShape: how many ranks a component has along each axis. MeshCoordinates: where one rank stands
// in a mesh, and so what it holds, as plain numbers. A Mesh gives its own (mesh.h); a plan makes
// them up for ranks that do not exist. By default one rank holds everything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/split.h"

namespace trireme {

// A rank's place among the ranks of one axis.
struct Coordinate {
  int rank = 0;
  int ranks = 1;

  // What this rank holds of n: as many whole units of `unit` as the layers give it.
  int64_t share(int64_t n, int64_t unit = 1) const {
    return Split(n / unit, ranks)[rank].length * unit;
  }
  bool first() const { return rank == 0; }
  bool last() const { return rank == ranks - 1; }
};

struct MeshShape {
  int guidance = 1;
  int pipeline = 1;
  int sequence = 1;
  int ring = 1;  // of `sequence`: ranks among which keys and values travel; the rest trade heads
  int tensor = 1;
  std::vector<int64_t> blocks = {};  // of each stage of the pipeline; empty: by their cost

  int ranks() const { return guidance * pipeline * sequence * tensor; }
  bool operator==(const MeshShape&) const = default;
};

// The blocks of each stage: those of the shape, or so that the slowest stage costs least.
Split stages_of(const MeshShape& shape, const std::vector<double>& block_costs);
std::string to_string(const MeshShape& shape);  // "guidance 2 x tensor 4", or "one rank"

struct MeshCoordinates {
  Coordinate pipeline = {};
  Coordinate ulysses = {};  // of the sequence axis: ranks that trade tokens for heads
  Coordinate ring = {};     // of the sequence axis: ranks among which keys and values travel
  Coordinate tensor = {};

  // The sequence axis as a whole: a ring of Ulysses groups.
  Coordinate sequence() const {
    return {ring.rank * ulysses.ranks + ulysses.rank, ring.ranks * ulysses.ranks};
  }
  // Of n tokens over the sequence axis, those of this rank's whole Ulysses group: the queries that
  // the rank sees in an attention, with its share of the heads.
  int64_t queries(int64_t n) const {
    const Split tokens(n, sequence().ranks);
    int64_t sum = 0;
    for (int i = 0; i < ulysses.ranks; ++i) sum += tokens[ring.rank * ulysses.ranks + i].length;
    return sum;
  }
};

}  // namespace trireme
