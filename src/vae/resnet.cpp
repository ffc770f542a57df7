#include "src/vae/resnet.h"

namespace trireme {

Resnet::Resnet(const Weights& w, const VaeConfig& c, int64_t in, int64_t out)
    : norm1_(w / "norm1", in, c.norm_groups, kVaeNormEps),
      conv1_(w / "conv1", {.in = in, .out = out}),
      norm2_(w / "norm2", out, c.norm_groups, kVaeNormEps),
      conv2_(w / "conv2", {.in = out, .out = out}) {
  if (in != out) shortcut_.emplace(w / "conv_shortcut", ConvShape{in, out, /*kernel=*/1});
}

at::Tensor Resnet::operator()(const at::Tensor& x, const Bands& bands) const {
  auto h = norm1_(x, bands);  // each statement frees what went into the one before
  h = conv1_(at::silu_(h), bands);
  h = norm2_(h, bands);
  h = conv2_(at::silu_(h), bands);
  return h.add_(shortcut_ ? (*shortcut_)(x) : x);
}

}  // namespace trireme
