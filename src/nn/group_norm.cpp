#include "src/nn/group_norm.h"

namespace trireme {

GroupNorm::GroupNorm(const Weights& weights, int64_t channels, int64_t groups, double eps)
    : weight_(weights.read("weight", {channels})),
      bias_(weights.read("bias", {channels})),
      groups_(groups),
      eps_(eps) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  return at::group_norm(x, groups_, weight_, bias_, eps_);
}

}  // namespace trireme
