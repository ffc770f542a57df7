// Tensors to test with, and comparisons that say where and by how much two tensors differ.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace trireme {

// Float32 whole numbers from -4 to 4, the same for the same seed: their sums are exact in any
// order.
at::Tensor integers(at::IntArrayRef shape, uint64_t seed = 0);
// Float32 normal numbers, the same for the same seed.
at::Tensor normals(at::IntArrayRef shape, uint64_t seed = 0);

struct Tolerance {
  double relative = 1e-5;
  double absolute = 1e-5;
};

// Fails the test unless both have one shape and every |actual - expected| <= absolute + relative *
// |expected|. Different dtypes are compared in float64.
void expect_close(const at::Tensor& actual, const at::Tensor& expected, Tolerance tolerance = {});
// Fails the test unless shape, dtype and every bit agree; -0 is not 0, and a NaN equals itself.
void expect_same_bits(const at::Tensor& actual, const at::Tensor& expected);

}  // namespace trireme
