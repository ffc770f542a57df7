#include "src/nn/group_norm.h"

namespace trireme {

GroupNorm::GroupNorm(const Weights& weights, int64_t channels, int64_t groups, double eps)
    : weight_(weights.read("weight", {channels})),
      bias_(weights.read("bias", {channels})),
      groups_(groups),
      eps_(eps) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x, const Bands& bands) const {
  if (bands.whole()) return at::group_norm(x, groups_, weight_, bias_, eps_);
  const auto n = x.size(0), channels = x.size(1);
  const auto numbers = channels / groups_ * x.size(2) * x.size(3);
  const auto of_all = bands.moments(x.reshape({n, groups_, numbers}));
  const auto by_channel = [&](const at::Tensor& groups) {
    return groups.repeat_interleave(channels / groups_, 1).flatten().to(x.device());
  };
  const auto repeated = [&](const at::Tensor& parameter) {
    return parameter.to(at::kFloat).repeat(n);
  };
  // A normalisation with given moments, channel by channel of each image.
  const auto flat = x.reshape({1, n * channels, x.size(2), x.size(3)});
  if (flat.numel() == 0) return x.clone();
  return at::batch_norm(flat, repeated(weight_), repeated(bias_), by_channel(of_all.mean),
                        by_channel(of_all.variance), /*training=*/false, /*momentum=*/0, eps_,
                        /*cudnn_enabled=*/false)
      .view(x.sizes());
}

}  // namespace trireme
