#include "parallel/layers/linear.h"

namespace trireme {
namespace {

// Units of `width` channels over the group, in channels.
Split channels(int64_t width, int64_t unit, const Group& group) {
  return Split(width / unit, group.size()).scaled(unit);
}

}  // namespace

Linear::Linear(const Weights& weights, LinearShape shape)
    : weight_(weights.read("weight", {shape.out, shape.in})),
      bias_(weights.read_if(shape.bias, "bias", {shape.out})) {}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return at::linear(x, weight_, bias_);
}

ColumnLinear::ColumnLinear(const Weights& weights, const Group& group, LinearShape shape) {
  const auto part = channels(shape.out, shape.unit, group)[group.rank()];
  weight_ = weights.read("weight", {shape.out, shape.in}, 0, part);
  if (shape.bias) bias_ = weights.read("bias", {shape.out}, 0, part);
}

at::Tensor ColumnLinear::operator()(const at::Tensor& x) const {
  return at::linear(x, weight_, bias_);
}

GatheredLinear::GatheredLinear(const Weights& weights, const Group& group, LinearShape shape)
    : column_(weights, group, shape),
      group_(group),
      split_(channels(shape.out, shape.unit, group)) {}

at::Tensor GatheredLinear::operator()(const at::Tensor& x) const {
  return group_.all_gather(column_(x), -1, split_);
}

template <size_t N>
FusedColumnLinear<N>::FusedColumnLinear(const std::array<Weights, N>& parts, const Group& group,
                                        LinearShape shape) {
  const auto part = channels(shape.out, shape.unit, group)[group.rank()];
  weight_ = read_stacked(parts, "weight", {shape.out, shape.in}, 0, part);
  if (shape.bias) bias_ = read_stacked(parts, "bias", {shape.out}, 0, part);
}

template <size_t N>
std::array<at::Tensor, N> FusedColumnLinear<N>::operator()(const at::Tensor& x) const {
  const auto pieces = at::linear(x, weight_, bias_).chunk(N, -1);
  std::array<at::Tensor, N> parts;
  std::copy(pieces.begin(), pieces.end(), parts.begin());
  return parts;
}

RowLinear::RowLinear(const Weights& weights, const Group& group, LinearShape shape)
    : bias_(weights.read_if(shape.bias, "bias", {shape.out})), group_(group) {
  const auto part = channels(shape.in, shape.unit, group)[group.rank()];
  weight_ = weights.read("weight", {shape.out, shape.in}, 1, part);
}

at::Tensor RowLinear::operator()(const at::Tensor& x) const {
  if (group_.alone()) return at::linear(x, weight_, bias_);
  auto y = group_.all_reduce(at::linear(x, weight_));
  return bias_.defined() ? y.add_(bias_) : y;
}

at::Tensor RowLinear::in_float32(const at::Tensor& x) const {
  auto y = group_.all_reduce(at::linear(x.to(at::kFloat), weight_.to(at::kFloat)));
  return bias_.defined() ? y.add_(bias_) : y;
}

template class FusedColumnLinear<2>;
template class FusedColumnLinear<3>;

}  // namespace trireme
