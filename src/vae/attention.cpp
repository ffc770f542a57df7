#include "src/vae/attention.h"

#include <array>

#include "parallel/layers/attention.h"
#include "src/vae/resnet.h"

namespace trireme {
namespace {

// The scopes of q, k, v and out.
std::array<Weights, 4> projections(const Weights& w) {
  if (!w.has("to_q.weight") && w.has("query.weight"))
    return {w / "query", w / "key", w / "value", w / "proj_attn"};
  return {w / "to_q", w / "to_k", w / "to_v", w / "to_out" / 0};
}

}  // namespace

PixelAttention::PixelAttention(const Weights& w, const VaeConfig& c, int64_t channels)
    : norm_(w / "group_norm", channels, c.norm_groups, kVaeNormEps) {
  const auto [q, k, v, out] = projections(w);
  const Part all{0, channels};
  qkv_ = read_stacked({q, k, v}, "weight", {channels, channels}, 0, all);
  qkv_bias_ = read_stacked({q, k, v}, "bias", {channels}, 0, all);
  out_ = out.read("weight", {channels, channels});
  out_bias_ = out.read("bias", {channels});
}

at::Tensor PixelAttention::operator()(const at::Tensor& x, const Bands& bands) const {
  const auto pixels = norm_(x, bands).flatten(2).transpose(1, 2);  // [n, h x w, channels]
  const auto qkv = at::linear(pixels, qkv_, qkv_bias_).unsqueeze(1).chunk(3, -1);  // one head
  const auto held = bands.rows(x.size(3));
  const Sequence ring{bands.group(), {}, bands.group()};
  const auto seen = parallel_attention(qkv[0], qkv[1], qkv[2], ring, held, held).squeeze(1);
  return x + at::linear(seen, out_, out_bias_).transpose(1, 2).view_as(x);
}

}  // namespace trireme
