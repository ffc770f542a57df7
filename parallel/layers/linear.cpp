#include "parallel/layers/linear.h"

#include <algorithm>

namespace trireme {
namespace {

// Units of `width` channels over the group, in channels.
Split channels(int64_t width, int64_t unit, const Group& group) {
  return Split(width / unit, group.size()).scaled(unit);
}

// Codes in the file are codes here, whatever is asked for.
bool is_quantized(at::ArrayRef<Weights> scopes, const LinearShape& shape) {
  const bool stored = std::any_of(scopes.begin(), scopes.end(), [](const Weights& scope) {
    return scope.codes("weight").has_value();
  });
  return stored || (scopes.front().quantization() && !shape.plain);
}

// The cut weights of the scopes, one below the other, with a bias or none.
LinearMap read_map(at::ArrayRef<Weights> scopes, const LinearShape& shape, const MatrixCut& cut,
                   at::Tensor bias, Sums sums = Sums::kPlain) {
  if (!is_quantized(scopes, shape)) {
    const std::vector<int64_t> sizes{shape.out, shape.in};
    auto weight = scopes.size() == 1 ? scopes.front().read("weight", sizes, cut.dim, cut.part)
                                     : read_stacked(scopes, "weight", sizes, cut.dim, cut.part);
    return {std::move(weight), std::move(bias), sums};
  }
  auto how = scopes.front().quantization();
  if (shape.plain) how.kind = Quantization::Kind::kNone;
  std::vector<MatrixPtr> matrices;
  for (const auto& scope : scopes)
    matrices.push_back(read_quantized({scope, "weight", shape.out, shape.in, cut}, how));
  return {std::move(matrices), std::move(bias)};
}

}  // namespace

Linear::Linear(const Weights& weights, LinearShape shape)
    : map_(read_map(weights, shape, {.dim = 0, .part = {0, shape.out}, .group = {}},
                    weights.read_if(shape.bias, "bias", {shape.out}))) {}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return map_(x);
}

ColumnLinear::ColumnLinear(const Weights& weights, const Group& group, LinearShape shape) {
  const auto part = channels(shape.out, shape.unit, group)[group.rank()];
  map_ = read_map(weights, shape, {.dim = 0, .part = part, .group = group},
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
  map_ = read_map(parts, shape, {.dim = 0, .part = part, .group = group},
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
  map_ = read_map(weights, shape, {.dim = 1, .part = part, .group = group},
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
