#include "src/nn/embeddings.h"

#include <cmath>

namespace trireme {
namespace {

constexpr int64_t kFrequencies = 128;
constexpr double kMaxPeriod = 10000.0;

// float32 coordinates, as diffusers computes them, times float64 frequencies -> [n, width]
at::Tensor axis_sinusoid(int64_t n, int64_t width, double base, double interpolation) {
  const auto coordinate =
      at::arange(n, at::kFloat).div(static_cast<double>(n) / base).div(interpolation);
  const auto omega =
      at::pow(kMaxPeriod, at::arange(width / 2, at::kDouble).div(width / 2.0)).reciprocal();
  const auto angle = at::outer(coordinate.to(at::kDouble), omega);
  return at::cat({angle.sin(), angle.cos()}, 1);
}

}  // namespace

at::Tensor timestep_sinusoid(const at::Tensor& t) {
  const auto exponent = at::arange(kFrequencies, t.options().dtype(at::kFloat))
                            .mul(-std::log(kMaxPeriod))
                            .div(static_cast<double>(kFrequencies));
  const auto angle = t.to(at::kFloat).unsqueeze(1) * exponent.exp().unsqueeze(0);
  return at::cat({angle.cos(), angle.sin()}, 1);
}

at::Tensor grid_sinusoid(int64_t rows, int64_t columns, int64_t width, double base,
                         double interpolation) {
  const auto half = width / 2;
  const auto x = axis_sinusoid(columns, half, base, interpolation);
  const auto y = axis_sinusoid(rows, half, base, interpolation);
  const auto grid = at::cat(
      {x.unsqueeze(0).expand({rows, columns, half}), y.unsqueeze(1).expand({rows, columns, half})},
      2);
  return grid.reshape({rows * columns, width}).to(at::kFloat);
}

EmbeddingMlp::EmbeddingMlp(const Weights& weights, int64_t in, int64_t out)
    : linear_1_(weights / "linear_1", {.in = in, .out = out, .plain = true}),
      linear_2_(weights / "linear_2", {.in = out, .out = out, .plain = true}) {}

at::Tensor EmbeddingMlp::operator()(const at::Tensor& x) const {
  return linear_2_(at::silu(linear_1_(x)));
}

}  // namespace trireme
