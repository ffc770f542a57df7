#include "tests/support/recipe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numbers>

namespace trireme {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

at::Tensor recipe_weight(const std::string& name, at::IntArrayRef shape, int64_t position) {
  constexpr double kStep = 0.61803398875;
  const auto count = c10::multiply_integers(shape);
  const auto k = at::arange(count, at::kDouble);
  auto v = k.mul(kStep).add(1.0 + 0.1 * static_cast<double>(position)).sin().view(shape);
  if (shape.size() >= 2)
    return v.div(std::sqrt(static_cast<double>(count / shape[0]))).to(at::kFloat);
  return (ends_with(name, "weight") ? v.mul(0.1).add(1.0) : v.mul(0.05)).to(at::kFloat);
}

// Sums grow with the number of elements, and so may their error.
void expect_near(double actual, double golden, double scale, double tolerance, const char* what) {
  EXPECT_NEAR(actual, golden, tolerance * std::max(1.0, scale)) << what;
}

void expect_elements(const at::Tensor& actual, const nlohmann::json& golden, double tolerance,
                     const char* what) {
  for (size_t i = 0; i < golden.size(); ++i) {
    const auto value = golden[i].get<double>();
    expect_near(actual[static_cast<int64_t>(i)].item<double>(), value, std::abs(value), tolerance,
                what);
  }
}

}  // namespace

std::map<std::string, at::Tensor> recipe_weights(
    const std::map<std::string, std::vector<int64_t>>& shapes) {
  std::map<std::string, at::Tensor> tensors;
  int64_t position = 0;
  for (const auto& [name, shape] : shapes) {
    if (!ends_with(name, "pos_embed.pos_embed"))
      tensors.emplace(name, recipe_weight(name, shape, position));
    ++position;
  }
  return tensors;
}

at::Tensor recipe_input(at::IntArrayRef shape, double phase) {
  const auto k = at::arange(c10::multiply_integers(shape), at::kDouble);
  const auto chirp = k.mul(1e-3).mul(k).remainder(2 * std::numbers::pi);
  return k.mul(0.37).add(phase).add(chirp).cos().to(at::kFloat).view(shape);
}

nlohmann::json read_goldens(const std::string& file) {
  std::ifstream in("tests/goldens/" + file);
  EXPECT_TRUE(in) << "tests/goldens/" << file << " cannot be read from the working directory";
  return nlohmann::json::parse(in);
}

void expect_golden(const at::Tensor& actual, const nlohmann::json& golden, double tolerance) {
  ASSERT_EQ(actual.sizes().vec(), golden.at("shape").get<std::vector<int64_t>>());
  const auto flat = actual.to(at::kDouble).flatten();
  const auto abs_mean = golden.at("abs_mean").get<double>();
  expect_near(flat.abs().mean().item<double>(), abs_mean, abs_mean, tolerance, "mean magnitude");
  expect_near(flat.sum().item<double>(), golden.at("sum").get<double>(),
              abs_mean * static_cast<double>(flat.numel()), tolerance, "sum");
  expect_elements(flat, golden.at("first8"), tolerance, "first");
  const auto last = golden.at("last8");
  expect_elements(flat.slice(0, -static_cast<int64_t>(last.size())), last, tolerance, "last");
}

}  // namespace trireme
