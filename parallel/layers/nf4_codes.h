// The arithmetic of nf4 (Dettmers et al. 2023) as bitsandbytes does it: a matrix, row by row one
// long list of numbers, is cut into blocks of 64 wherever rows end; a number is the nearest of 16
// values times its block's largest magnitude. With double quantization these scales, less their
// mean, are 8-bit codes in blocks of 256.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>

#include "parallel/split.h"

namespace trireme {

constexpr int64_t kNf4Block = 64;
constexpr int64_t kScaleBlock = 256;

// The quantiles of the normal distribution that codes 0 to 15 stand for.
inline constexpr std::array<float, 16> kNf4Values = {-1.0f,
                                                     -0.6961928009986877f,
                                                     -0.5250730514526367f,
                                                     -0.39491748809814453f,
                                                     -0.28444138169288635f,
                                                     -0.18477343022823334f,
                                                     -0.09105003625154495f,
                                                     0.0f,
                                                     0.07958029955625534f,
                                                     0.16093020141124725f,
                                                     0.24611230194568634f,
                                                     0.33791524171829224f,
                                                     0.44070982933044434f,
                                                     0.5626170039176941f,
                                                     0.7229568362236023f,
                                                     1.0f};

// Where a rectangle of a matrix with rows of `in` lies in the list of blocks. Every row of the
// rectangle has its own blocks, `per_row` of them from first_block(row) on; its number c is in
// block (phase(row) + c) / 64 of these.
struct BlockGrid {
  int64_t in;
  Part rows, columns;

  int64_t begin(int64_t row) const { return (rows.begin + row) * in + columns.begin; }
  int64_t first_block(int64_t row) const { return begin(row) / kNf4Block; }
  int64_t phase(int64_t row) const { return begin(row) % kNf4Block; }
  // All rows begin with a block.
  bool aligned() const { return in % kNf4Block == 0 && columns.begin % kNf4Block == 0; }
  int64_t per_row() const;
  // int64 [rows.length, per_row()]; `blocks` of the matrix: those past the end are the last.
  at::Tensor block_numbers(int64_t blocks, Part rows) const;
  // scales [rows.length, per_row()] of these rows -> what each number's is, [rows.length, columns]
  at::Tensor spread(const at::Tensor& scales, Part rows) const;
};

// Raises blocks' largest magnitudes, float32 [blocks], to those of numbers [rows.length, columns].
void raise_largest(const at::Tensor& largest, const at::Tensor& numbers, const BlockGrid& grid,
                   Part rows);

// numbers, float32, and the scale of each -> int32 codes 0 to 15. `divided`: those whose block is
// not full, which bitsandbytes divides where it multiplies the others by the reciprocal; may be
// undefined.
at::Tensor nf4_codes(const at::Tensor& numbers, const at::Tensor& scales,
                     const at::Tensor& divided);

// Codes [rows, columns], two to a byte, the first in the upper half: uint8 [rows, columns / 2 up].
at::Tensor packed(const at::Tensor& codes);
at::Tensor unpacked(const at::Tensor& bytes, int64_t columns);  // int32 [rows, columns]

// Scales as 8-bit codes.
struct ScaleCodes {
  at::Tensor codes;    // uint8 [blocks]
  at::Tensor largest;  // float32 [blocks / 256 up]
  at::Tensor values;   // float32 [256], what the codes stand for, rising
  double offset = 0;   // the mean of the scales
};
ScaleCodes quantize_scales(const at::Tensor& scales);  // float32 [blocks]
// The 8-bit dynamic code (Dettmers 2015): seven exponents, ever finer fractions.
at::Tensor dynamic_values();

}  // namespace trireme
