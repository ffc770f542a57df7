#include "src/nn/norms.h"

namespace trireme {
namespace {

// Over the last dimension: [2, ..., 1]. Of no numbers: zeros.
at::Tensor mean_and_variance(const at::Tensor& x) {
  auto sizes = x.sizes().vec();
  sizes.back() = 1;
  sizes.insert(sizes.begin(), 2);
  if (x.size(-1) == 0) return at::zeros(sizes, x.options());
  const auto [variance, mean] = at::var_mean(x, at::OptionalIntArrayRef({-1}), /*correction=*/0,
                                             /*keepdim=*/true);
  return at::stack({mean, variance});
}

}  // namespace

LayerNorm::LayerNorm(const Weights& weights, int64_t width, double eps)
    : weight_(weights.read("weight", {width})), bias_(weights.read("bias", {width})), eps_(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, weight_, bias_, eps_);
}

CutLayerNorm::CutLayerNorm(const Weights& weights, const Group& group, int64_t width, int64_t unit,
                           double eps)
    : group_(group),
      channels_(Split(width / unit, group.size()).scaled(unit)),
      weight_(weights.read("weight", {width}, 0, channels_[group.rank()])),
      bias_(weights.read("bias", {width}, 0, channels_[group.rank()])),
      eps_(eps) {}

at::Tensor CutLayerNorm::operator()(const at::Tensor& x) const {
  if (group_.alone()) return at::layer_norm(x, {x.size(-1)}, weight_, bias_, eps_);
  const auto wide = x.to(at::kFloat);
  const auto all = group_.all_gather(mean_and_variance(wide).unsqueeze(0), 0);
  auto mean = at::zeros_like(all[0][0]), variance = at::zeros_like(mean);
  for (int r = 0; r < group_.size(); ++r) mean.add_(all[r][0], share(r));
  for (int r = 0; r < group_.size(); ++r)
    variance.add_(all[r][1] + (all[r][0] - mean).square(), share(r));
  return ((wide - mean) * (variance + eps_).rsqrt() * weight_ + bias_).to(x.scalar_type());
}

double CutLayerNorm::share(int rank) const {
  return static_cast<double>(channels_[rank].length) / static_cast<double>(channels_.units());
}

RmsNorm::RmsNorm(const Weights& weights, int64_t width, double eps)
    : weight_(weights.read("weight", {width})), eps_(eps) {}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  const auto wide = x.to(at::kFloat);
  const auto inverse = wide.square().mean(-1, /*keepdim=*/true).add_(eps_).rsqrt_();
  return (wide * inverse).to(weight_.scalar_type()).mul_(weight_);
}

at::Tensor unit_norm(const at::Tensor& x, double eps) {
  return at::layer_norm(x, {x.size(-1)}, {}, {}, eps);
}

}  // namespace trireme
