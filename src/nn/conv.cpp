#include "src/nn/conv.h"

#include "src/nn/winograd.h"

namespace trireme {
namespace {

constexpr int64_t kPhases = 2;  // of a row or a column

// The three taps of dimension dim, folded into two for an output pixel of even or odd position.
at::Tensor folded(const at::Tensor& taps, int64_t dim, int64_t phase) {
  const auto a = taps.select(dim, 0), b = taps.select(dim, 1), c = taps.select(dim, 2);
  return phase == 0 ? at::stack({a, b + c}, dim) : at::stack({a + b, c}, dim);
}

// [out, in, 3, 3] -> [4 x out, in, 2, 2]
at::Tensor phases_of(const at::Tensor& weight) {
  const auto taps = weight.to(at::kFloat);
  std::vector<at::Tensor> phases;
  for (int64_t row = 0; row < kPhases; ++row)
    for (int64_t column = 0; column < kPhases; ++column)
      phases.push_back(folded(folded(taps, 2, row), 3, column));
  return at::cat(phases).to(weight.scalar_type());
}

}  // namespace

Conv2d::Conv2d(const Weights& weights, ConvShape shape)
    : kernel_(shape.kernel),
      weight_(weights.read("weight", {shape.out, shape.in, shape.kernel, shape.kernel})),
      bias_(weights.read("bias", {shape.out})) {
  winograd_ = kernel_ == 3 && winograd_pays(weight_);
  if (winograd_) weight_ = winograd_filters(weight_);
}

at::Tensor Conv2d::operator()(const at::Tensor& x, const Bands& bands) const {
  if (kernel_ == 1) return same(x);
  return bands.apply(x, 1, [this](const at::Tensor& rows) { return same(rows); });
}

at::Tensor Conv2d::same(const at::Tensor& x) const {
  if (winograd_) return winograd_conv(x, weight_, bias_);
  if (kernel_ > 1) return at::conv2d(x, weight_, bias_, /*stride=*/1, /*padding=*/kernel_ / 2);
  // One pixel at a time is a matrix product, which needs no other order of the image in memory.
  const auto y = at::matmul(weight_.flatten(1), x.flatten(2)).add_(bias_.unsqueeze(1));
  return y.unflatten(2, {x.size(2), x.size(3)});
}

UpsampleConv2d::UpsampleConv2d(const Weights& weights, int64_t in, int64_t out)
    : weight_(weights.read("weight", {out, in, 3, 3})), bias_(weights.read("bias", {out})) {
  winograd_ = winograd_pays(weight_);
  weight_ = winograd_ ? winograd_upsample_filters(weight_) : phases_of(weight_);
  if (!winograd_) bias_ = bias_.repeat({kPhases * kPhases});
}

at::Tensor UpsampleConv2d::operator()(const at::Tensor& x, const Bands& bands) const {
  return bands.apply(x, 2, [this](const at::Tensor& rows) { return doubled(rows); });
}

at::Tensor UpsampleConv2d::doubled(const at::Tensor& x) const {
  if (winograd_) return winograd_upsample_conv(x, weight_, bias_);
  const auto h = x.size(2), w = x.size(3), out = weight_.size(0) / (kPhases * kPhases);
  // [n, 4 x out, h + 1, w + 1]: a phase of the output is the window that begins at (row, column)
  const auto phases = at::conv2d(x, weight_, bias_, /*stride=*/1, /*padding=*/1);
  auto y = at::empty({x.size(0), out, h, kPhases, w, kPhases}, x.options());
  for (int64_t row = 0; row < kPhases; ++row) {
    for (int64_t column = 0; column < kPhases; ++column) {
      const auto window = phases.narrow(1, (row * kPhases + column) * out, out)
                              .narrow(2, row, h)
                              .narrow(3, column, w);
      y.select(5, column).select(3, row).copy_(window);
    }
  }
  return y.flatten(4).flatten(2, 3);
}

}  // namespace trireme
