#include "tests/support/tensors.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstring>

namespace trireme {
namespace {

std::string shape_of(const at::Tensor& x) {
  return fmt::format("{} [{}]", toString(x.scalar_type()), fmt::join(x.sizes(), ", "));
}

}  // namespace

at::Tensor integers(at::IntArrayRef shape, uint64_t seed) {
  return at::randint(-4, 5, shape, at::make_generator<at::CPUGeneratorImpl>(seed), at::kFloat);
}

at::Tensor normals(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed), at::kFloat);
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected, Tolerance tolerance) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  if (actual.numel() == 0) return;
  const auto a = actual.to(at::kCPU, at::kDouble), e = expected.to(at::kCPU, at::kDouble);
  const auto excess = ((a - e).abs() - tolerance.relative * e.abs() - tolerance.absolute).flatten();
  // A NaN compares false and so counts as wrong.
  const auto wrong = excess.le(0).logical_not();
  if (!wrong.any().item<bool>()) return;
  const auto worst = excess.nan_to_num(INFINITY).argmax().item<int64_t>();
  ADD_FAILURE() << fmt::format("{} of {} numbers differ; at {} of {} worst: {} -> {} expected",
                               wrong.sum().item<int64_t>(), a.numel(), worst, shape_of(actual),
                               a.flatten()[worst].item<double>(),
                               e.flatten()[worst].item<double>());
}

void expect_same_bits(const at::Tensor& actual, const at::Tensor& expected) {
  ASSERT_EQ(shape_of(actual), shape_of(expected));
  const auto a = actual.cpu().contiguous(), e = expected.cpu().contiguous();
  const auto* left = static_cast<const char*>(a.const_data_ptr());
  const auto* right = static_cast<const char*>(e.const_data_ptr());
  const auto width = static_cast<int64_t>(a.itemsize());
  for (int64_t i = 0; i < a.numel(); ++i) {
    if (std::memcmp(left + i * width, right + i * width, width) == 0) continue;
    ADD_FAILURE() << fmt::format("bits differ first at {} of {}: {} -> {} expected", i, shape_of(a),
                                 a.flatten()[i].item<double>(), e.flatten()[i].item<double>());
    return;
  }
}

}  // namespace trireme
