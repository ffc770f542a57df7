// A slice of a row-major tensor as bytes of its file: a list of blocks, each of them small enough
// for a bounded buffer and read in as few system calls as its layout allows. A slice of dimension 0
// is one contiguous run; of a later dimension, one run a row. An empty slice has no blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/split.h"
#include "src/weights/safetensors_header.h"

namespace trireme {

// `rows` runs of `run` bytes, `stride` bytes apart in the file, that follow each other in the
// slice.
struct Block {
  int64_t file_offset = 0;   // of the first run
  int64_t slice_offset = 0;  // where its bytes stand in the slice, in stored bytes
  int64_t rows = 1;
  int64_t run = 0;
  int64_t stride = 0;

  int64_t bytes() const { return rows * run; }
  // The bytes from the first run's begin to the last one's end.
  int64_t span() const { return (rows - 1) * stride + run; }
};

// Runs at least this long are read one by one; shorter ones together with what lies between them.
constexpr int64_t kLongRun = 16 << 10;

// Blocks of at most `limit` bytes, which is at least kLongRun. `dim` and `part` are inside the
// shape.
std::vector<Block> blocks_of(const StoredTensor& tensor, int64_t dim, Part part, int64_t limit);

// The element of the whole tensor that is number `index` of the slice, as coordinates.
std::vector<int64_t> coordinates_of(const StoredTensor& tensor, int64_t dim, Part part,
                                    int64_t index);

}  // namespace trireme
