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
  // All rows of the matrix begin with a block.
  bool rows_apart() const { return in % kNf4Block == 0; }
  // ... and those of the rectangle.
  bool aligned() const { return rows_apart() && columns.begin % kNf4Block == 0; }
  int64_t per_row() const;
  // int64 [rows.length, columns]: where in the whole matrix these rows' numbers stand.
  at::Tensor places(Part rows) const;
  // int64 [rows.length, per_row()]; `blocks` of the matrix: those past the end are the last.
  at::Tensor block_numbers(int64_t blocks, Part rows) const;
  // scales [rows.length, per_row()] of these rows -> what each number's is, [rows.length, columns]
  at::Tensor spread(const at::Tensor& scales, Part rows) const;
};

// What makes codes of a matrix, some rows at a time: by ATen's operators, on any device, and by
// loops on a CPU. Both give the same bits.
//
// Raises blocks' largest magnitudes, float32 [blocks], to those of numbers [rows.length, columns].
// A row that ends inside of a block shares it with the next one.
void raise_largest(const at::Tensor& largest, const at::Tensor& numbers, const BlockGrid& grid,
                   Part rows);
void raise_largest_on_host(float* largest, const float* numbers, const BlockGrid& grid, Part rows);

// Numbers, float32 [rows.length, columns], by those largest magnitudes -> codes, two to a byte, the
// first in the upper half: uint8 [rows.length, columns / 2 up]. `count`: of the whole matrix. Its
// last block, if it is not full, bitsandbytes divides where it multiplies others by the reciprocal.
at::Tensor nf4_bytes(const at::Tensor& numbers, const at::Tensor& largest, const BlockGrid& grid,
                     Part rows, int64_t count);
void nf4_bytes_on_host(uint8_t* bytes, const float* numbers, const float* largest,
                       const BlockGrid& grid, Part rows, int64_t count);
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
