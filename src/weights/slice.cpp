#include "src/weights/slice.h"

#include <algorithm>

namespace trireme {
namespace {

// One run that may be longer than a block.
void append_run(std::vector<Block>& out, int64_t file_offset, int64_t slice_offset, int64_t run,
                int64_t limit) {
  for (int64_t done = 0; done < run; done += limit) {
    out.push_back({.file_offset = file_offset + done,
                   .slice_offset = slice_offset + done,
                   .run = std::min(limit, run - done)});
  }
}

}  // namespace

std::vector<Block> blocks_of(const StoredTensor& tensor, int64_t dim, Part part, int64_t limit) {
  int64_t outer = 1, inner = bytes_of(tensor.type);
  const auto dims = static_cast<int64_t>(tensor.shape.size());
  for (int64_t d = 0; d < dims; ++d) {
    if (d < dim) outer *= tensor.shape[d];
    if (d > dim) inner *= tensor.shape[d];
  }
  const int64_t size = dims == 0 ? 1 : tensor.shape[dim];
  const int64_t first = tensor.begin + part.begin * inner;
  int64_t run = part.length * inner, stride = size * inner;
  std::vector<Block> out;
  if (outer * run == 0) return out;
  if (run == stride) {  // all of it: the rows touch
    run *= outer;
    outer = 1;
  }
  limit -= limit % bytes_of(tensor.type);
  if (outer == 1 || run > limit) {
    for (int64_t row = 0; row < outer; ++row) {
      append_run(out, first + row * stride, row * run, run, limit);
    }
    return out;
  }
  const int64_t per_row = run >= kLongRun ? run : stride;
  const int64_t rows = std::max<int64_t>(1, limit / per_row);
  for (int64_t row = 0; row < outer; row += rows) {
    out.push_back({.file_offset = first + row * stride,
                   .slice_offset = row * run,
                   .rows = std::min(rows, outer - row),
                   .run = run,
                   .stride = stride});
  }
  return out;
}

std::vector<int64_t> coordinates_of(const StoredTensor& tensor, int64_t dim, Part part,
                                    int64_t index) {
  std::vector<int64_t> out(tensor.shape.size());
  for (auto d = static_cast<int64_t>(out.size()) - 1; d >= 0; --d) {
    const int64_t size = d == dim ? part.length : tensor.shape[d];
    out[d] = index % size + (d == dim ? part.begin : 0);
    index /= size;
  }
  return out;
}

}  // namespace trireme
