#include "src/nn/embeddings.h"

#include <cmath>

namespace trireme {
namespace {

constexpr int64_t kFrequencies = 128;
constexpr double kMaxPeriod = 10000.0;

// What diffusers computes in float32: 0 .. n - 1, stretched.
at::Tensor stretched(int64_t n, double base, double interpolation) {
  return at::arange(n, at::kFloat).div(static_cast<double>(n) / base).div(interpolation);
}

// Coordinates times float64 frequencies, rounded when all is done: float32 [n, width]
at::Tensor axis_sinusoid(const at::Tensor& coordinates, int64_t width) {
  const auto omega =
      at::pow(kMaxPeriod, at::arange(width / 2, at::kDouble).div(width / 2.0)).reciprocal();
  const auto angle = at::outer(coordinates.to(at::kDouble), omega);
  return at::cat({angle.sin(), angle.cos()}, 1).to(at::kFloat);
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
  return grid_sinusoid(stretched(rows, base, interpolation),
                       stretched(columns, base, interpolation), width);
}

at::Tensor grid_sinusoid(const at::Tensor& y, const at::Tensor& x, int64_t width) {
  const auto rows = y.size(0), columns = x.size(0), half = width / 2;
  const auto by_column = axis_sinusoid(x, half).unsqueeze(0).expand({rows, columns, half});
  const auto by_row = axis_sinusoid(y, half).unsqueeze(1).expand({rows, columns, half});
  return at::cat({by_column, by_row}, 2).reshape({rows * columns, width});
}

EmbeddingMlp::EmbeddingMlp(const Weights& weights, int64_t in, int64_t out)
    : linear_1_(weights / "linear_1", {.in = in, .out = out, .plain = true}),
      linear_2_(weights / "linear_2", {.in = out, .out = out, .plain = true}) {}

at::Tensor EmbeddingMlp::operator()(const at::Tensor& x) const {
  return linear_2_(at::silu(linear_1_(x)));
}

}  // namespace trireme
