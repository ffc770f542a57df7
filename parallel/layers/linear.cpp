#include "parallel/layers/linear.h"

namespace trireme {
namespace {

// Units of `width` channels over the group, in channels.
Split channels(int64_t width, int64_t unit, const Group& group) {
  return Split(width / unit, group.size()).scaled(unit);
}

}  // namespace

Linear::Linear(const Weights& weights, LinearShape shape)
    : map_(weights.read("weight", {shape.out, shape.in}),
           weights.read_if(shape.bias, "bias", {shape.out})) {}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return map_(x);
}

ColumnLinear::ColumnLinear(const Weights& weights, const Group& group, LinearShape shape) {
  const auto part = channels(shape.out, shape.unit, group)[group.rank()];
  map_ = LinearMap(weights.read("weight", {shape.out, shape.in}, 0, part),
                   shape.bias ? weights.read("bias", {shape.out}, 0, part) : at::Tensor());
}

at::Tensor ColumnLinear::operator()(const at::Tensor& x) const {
  return map_(x);
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
  map_ = LinearMap(read_stacked(parts, "weight", {shape.out, shape.in}, 0, part),
                   shape.bias ? read_stacked(parts, "bias", {shape.out}, 0, part) : at::Tensor());
}

template <size_t N>
std::array<at::Tensor, N> FusedColumnLinear<N>::operator()(const at::Tensor& x) const {
  const auto pieces = map_(x).chunk(N, -1);
  std::array<at::Tensor, N> parts;
  std::copy(pieces.begin(), pieces.end(), parts.begin());
  return parts;
}

RowLinear::RowLinear(const Weights& weights, const Group& group, LinearShape shape)
    : group_(group) {
  const auto part = channels(shape.in, shape.unit, group)[group.rank()];
  map_ = LinearMap(weights.read("weight", {shape.out, shape.in}, 1, part),
                   weights.read_if(shape.bias, "bias", {shape.out}), Sums::kRoundedOnce);
}

at::Tensor RowLinear::operator()(const at::Tensor& x) const {
  return group_.alone() ? map_(x) : summed(map_.product(x));
}

at::Tensor RowLinear::in_float32(const at::Tensor& x) const {
  return summed(map_.product_in_float32(x));
}

at::Tensor RowLinear::summed(at::Tensor part) const {
  auto y = group_.all_reduce(std::move(part));
  return map_.bias().defined() ? y.add_(map_.bias()) : y;
}

template class FusedColumnLinear<2>;
template class FusedColumnLinear<3>;

}  // namespace trireme
