// The loops of nf4_codes.h.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "parallel/cpu.h"
#include "parallel/layers/nf4_codes.h"

namespace trireme {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// Where codes change: halfway between their values.
constexpr auto kBounds = [] {
  std::array<float, kNf4Values.size() - 1> bounds{};
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = (kNf4Values[i] + kNf4Values[i + 1]) / 2;
  return bounds;
}();

// A row's numbers, of which the first stands at `phase` of its block.
struct Row {
  const float* numbers;
  int64_t count;
  int64_t phase;
};

TRIREME_EACH_CPU void raise_row(const Row& row, float* largest) {
  int64_t c = 0;
  for (int64_t end = kNf4Block - row.phase; c < row.count; end += kNf4Block, ++largest) {
    const int64_t last = std::min(end, row.count);
    Floats most = {};
    for (; c + kLanes <= last; c += kLanes) {
      Floats x;
      std::memcpy(&x, row.numbers + c, sizeof(x));
      x = x < 0.0f ? -x : x;
      most = x > most ? x : most;
    }
    float one = *largest;
    for (int lane = 0; lane < kLanes; ++lane) one = std::max(one, most[lane]);
    for (; c < last; ++c) one = std::max(one, std::fabs(row.numbers[c]));
    *largest = one;
  }
}

// A code a byte. Blocks from column `divided_from` on are divided by their scales.
TRIREME_EACH_CPU void encode_row(const Row& row, const float* largest, int64_t divided_from,
                                 uint8_t* codes) {
  constexpr float kTiny = 1e-38f;  // a block of zeros has no scale to divide by
  int64_t c = 0;
  for (int64_t end = kNf4Block - row.phase; c < row.count; end += kNf4Block, ++largest) {
    const int64_t last = std::min(end, row.count);
    const float safe = std::max(*largest, kTiny), inverse = 1 / safe;
    const bool divided = c >= divided_from;
    for (; c + kLanes <= last; c += kLanes) {
      Floats x;
      std::memcpy(&x, row.numbers + c, sizeof(x));
      x = divided ? x / safe : x * inverse;
      Ints code = {};
      for (const float bound : kBounds) code -= x > bound;
      const auto narrow = __builtin_convertvector(code, Bytes);
      std::memcpy(codes + c, &narrow, sizeof(narrow));
    }
    for (; c < last; ++c) {
      const float x = divided ? row.numbers[c] / safe : row.numbers[c] * inverse;
      codes[c] = 0;
      for (const float bound : kBounds) codes[c] += x > bound ? 1 : 0;
    }
  }
}

// Two codes to a byte; a last one alone stands beside a zero.
TRIREME_EACH_CPU void pack_row(const uint8_t* codes, int64_t count, uint8_t* bytes) {
  for (int64_t i = 0; i < count / 2; ++i)
    bytes[i] = static_cast<uint8_t>(codes[2 * i] << 4 | codes[2 * i + 1]);
  if (count % 2 == 1) bytes[count / 2] = static_cast<uint8_t>(codes[count - 1] << 4);
}

Row row_of(const float* numbers, const BlockGrid& grid, Part rows, int64_t row) {
  const auto columns = grid.columns.length;
  return {numbers + row * columns, columns, grid.phase(rows.begin + row)};
}

}  // namespace

void raise_largest_on_host(float* largest, const float* numbers, const BlockGrid& grid, Part rows) {
  for (int64_t row = 0; row < rows.length; ++row)
    raise_row(row_of(numbers, grid, rows, row), largest + grid.first_block(rows.begin + row));
}

void nf4_bytes_on_host(uint8_t* bytes, const float* numbers, const float* largest,
                       const BlockGrid& grid, Part rows, int64_t count) {
  const auto columns = grid.columns.length;
  const auto full = count / kNf4Block * kNf4Block;
  std::vector<uint8_t> codes(static_cast<size_t>(columns));
  for (int64_t row = 0; row < rows.length; ++row, bytes += (columns + 1) / 2) {
    const auto begin = grid.begin(rows.begin + row);
    encode_row(row_of(numbers, grid, rows, row), largest + grid.first_block(rows.begin + row),
               full == count ? kNever : std::max<int64_t>(0, full - begin), codes.data());
    pack_row(codes.data(), columns, bytes);
  }
}

}  // namespace trireme
