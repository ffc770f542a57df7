// Weights and inputs from formulas, so that a golden is a handful of numbers and no file of
// weights: any implementation can make the same tensors. Golden numbers lie in tests/goldens/.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace trireme {

// Entry i of the names in byte order, its elements k counted row by row: v = sin(1 + 0.618... k +
// 0.1 i), over the root of a row's length where there are rows; else 1 + v / 10 for a "weight" and
// v / 20 for the rest. Buffers of positions are left out but counted. All float32.
std::map<std::string, at::Tensor> recipe_weights(
    const std::map<std::string, std::vector<int64_t>>& shapes);

// cos(phase + 0.37 k + (k^2 / 1000 mod 2 pi)), float32, row by row.
at::Tensor recipe_input(at::IntArrayRef shape, double phase);

// tests/goldens/<file>, from the repository's root, where tests run.
nlohmann::json read_goldens(const std::string& file);

// Fails the test unless shape, sum, mean of magnitudes, and the first and last eight elements are
// those of the golden {shape, sum, abs_mean, first8, last8}.
void expect_golden(const at::Tensor& actual, const nlohmann::json& golden, double tolerance = 2e-5);

}  // namespace trireme
