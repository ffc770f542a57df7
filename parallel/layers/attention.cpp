#include "parallel/layers/attention.h"

namespace trireme {

at::Tensor split_heads(const at::Tensor& x, int64_t head_dim) {
  return x.unflatten(-1, {x.size(-1) / head_dim, head_dim}).transpose(1, 2);
}

at::Tensor merge_heads(const at::Tensor& x) { return x.transpose(1, 2).flatten(2); }

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const AttentionOptions& options) {
  if (q.size(1) == 0) return at::empty_like(q);  // more ranks than heads
  const auto bias =
      options.bias.defined() ? std::optional<at::Tensor>(options.bias) : std::nullopt;
  return at::scaled_dot_product_attention(q, k, v, bias, /*dropout_p=*/0.0, options.causal,
                                          options.scale);
}

}  // namespace trireme
