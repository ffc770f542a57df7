#include "src/nn/norms.h"

namespace trireme {

LayerNorm::LayerNorm(const Weights& weights, int64_t width, double eps)
    : weight_(weights.read("weight", {width})), bias_(weights.read("bias", {width})), eps_(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, weight_, bias_, eps_);
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
