#include "parallel/layers/attention.h"

#include <cmath>

#include "parallel/layers/streamed_attention.h"

namespace trireme {

at::Tensor split_heads(const at::Tensor& x, int64_t head_dim) {
  return x.unflatten(-1, {x.size(-1) / head_dim, head_dim}).transpose(1, 2);
}

at::Tensor merge_heads(const at::Tensor& x) {
  return x.transpose(1, 2).flatten(2);
}

namespace {

// ATen's CPU kernel gives each thread scratch of as many rows as there are queries, up to this
// many. Fewer of them can leave the scratch of all threads but the first unaligned, and sums of
// unaligned rows have other bits: they would depend on the number of threads.
constexpr int64_t kAlignedQueries = 32;

at::Tensor with_queries(const at::Tensor& x, int64_t queries) {
  return at::constant_pad_nd(x, {0, 0, 0, queries - x.size(2)});
}

}  // namespace

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const AttentionOptions& options) {
  if (q.size(1) == 0) return at::empty_like(q);  // more ranks than heads
  if (!options.bias.defined() && !options.causal && streams(q, k)) {
    const auto scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
    return streamed_attention(q, k, v, scale).out.to(q.scalar_type());
  }
  const auto queries = q.size(2);
  if (q.is_cpu() && queries < kAlignedQueries) {
    auto padded = options;
    if (options.bias.defined() && options.bias.size(2) == queries && queries > 1)
      padded.bias = with_queries(options.bias, kAlignedQueries);
    return attend(with_queries(q, kAlignedQueries), k, v, padded).narrow(2, 0, queries);
  }
  const auto bias = options.bias.defined() ? std::optional<at::Tensor>(options.bias) : std::nullopt;
  return at::scaled_dot_product_attention(q, k, v, bias, /*dropout_p=*/0.0, options.causal,
                                          options.scale);
}

}  // namespace trireme
