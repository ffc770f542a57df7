// What a product and an attention need while they are done.
#include <algorithm>

#include "parallel/cpu.h"
#include "parallel/plan/memory_parts.h"

namespace trireme {
namespace {

constexpr int64_t kFloat = 4, kDouble = 8;
constexpr int64_t kHalfScratch = 48 << 10;  // oneDNN's for a product of half types, measured

// A tile of numbers made of codes (parallel/layers/quantized_matrix.cpp), its products with all
// rows, and the rows turned.
int64_t tiles_of_codes(int64_t rows, int64_t in, int64_t out, int64_t element) {
  constexpr int64_t kTileBytes = 2 << 20, kMostRows = 256, kRowStep = 16;
  const auto fitting = kTileBytes / std::max<int64_t>(1, in * element) / kRowStep * kRowStep;
  const auto tile = std::min(std::clamp(fitting, kRowStep, kMostRows), out);
  return kFloat * (tile * (in + rows) + rows * in);
}

// Rows rounded to whole numbers beside those that are not (parallel/layers/int8_matrix.cpp): which
// are large, what is left of them, codes, and the sums as whole numbers and as float32.
int64_t rounded_rows(int64_t rows, int64_t in, int64_t out) {
  return rows * in * (kFloat + 2) + std::max(rows * in * 2 * kFloat, rows * out * 2 * kFloat);
}

// A sum over ranks (parallel/transports/mpi.cpp): what others give of this rank's part, its sum in
// float64 and the term that is added to it, widened; half types are summed as float32.
int64_t summing(int64_t bytes, int64_t element, int ranks) {
  constexpr int64_t kSmall = 16 << 10;
  if (ranks == 1) return 0;
  const auto wide = bytes / element * kFloat;
  const auto part = wide <= kSmall ? wide : wide / ranks;
  const auto terms = (ranks - 1) * part + 2 * kDouble / kFloat * part;
  return terms + (element < kFloat ? wide : 0);
}

}  // namespace

Needs needs_of(const Product& p, int64_t rows, const Hands& h) {
  const auto in = p.cut == Cut::kIn ? h.tensor.share(p.in, p.unit) : p.in;
  const auto out = p.cut == Cut::kOut ? h.tensor.share(p.out, p.unit) : p.out;
  const auto result = rows * out * p.parts * h.element;
  const bool plain = h.storage == Storage::kFloat32 || h.storage == Storage::kHalf || !p.quantizes;
  int64_t more = h.on_cpu && h.element < kFloat ? kHalfScratch : 0;
  if (!plain)
    more = h.rounds_rows && h.storage == Storage::kInt8 ? rounded_rows(rows, in, out)
                                                        : tiles_of_codes(rows, in, out, h.element);
  if (plain && widens(p, in * out, h.element, h.on_cpu)) more = kDouble * rows * (in + out);
  if (p.cut == Cut::kIn) more = std::max(more, summing(result, h.element, h.tensor.ranks));
  if (p.gathers && h.tensor.ranks > 1)
    return {rows * p.out * p.parts * h.element, result + 2 * rows * p.out * p.parts * h.element};
  return {result, result + more};
}

// On a CPU of many keys tile by tile, in float32 with the sums of each query; merging the heads
// copies. Otherwise by ATen, whose result lies so that nothing is to be copied, with scratch for a
// block of queries; few queries are made up to 32.
Needs needs_of(const Heads& h, int64_t element, bool on_cpu) {
  constexpr int64_t kFewestKeys = 128, kFewestQueries = 32, kKeysOfBlock = 512, kChannels = 16;
  const auto of = [&](int64_t queries) { return h.batch * h.heads * queries; };
  const auto result = of(h.queries) * h.head_dim * element;
  const bool known = element == kFloat || multiplies_bfloat16();
  if (on_cpu && !h.biased && h.keys >= kFewestKeys && h.head_dim % kChannels == 0 && known &&
      has_fast_products()) {
    const auto made = of(h.queries) * h.head_dim * kFloat;  // rounded to half types afterwards
    return {result, made + result + of(h.queries) * kFloat};
  }
  const auto queries = std::max(h.queries, on_cpu ? kFewestQueries : 0);
  const auto block = queries >= 768 ? 256 : queries >= 192 ? 64 : 32;
  const auto scratch = kFloat * block * (std::min(h.keys, kKeysOfBlock) + 2 + h.head_dim);
  const auto padded = queries > h.queries ? of(queries) * h.head_dim * element + result : 0;
  return {result, of(queries) * (h.head_dim * element + kFloat) + scratch + padded};
}

}  // namespace trireme
