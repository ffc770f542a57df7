// Attention on heads that a rank already holds. Heads are whatever the tensors carry: tensor
// parallelism needs nothing here but fewer heads.
#pragma once

#include <ATen/ATen.h>

namespace trireme {

// [batch, tokens, heads x head_dim] -> [batch, heads, tokens, head_dim], a view.
at::Tensor split_heads(const at::Tensor& x, int64_t head_dim);
// [batch, heads, tokens, head_dim] -> [batch, tokens, heads x head_dim]
at::Tensor merge_heads(const at::Tensor& x);

struct AttentionOptions {
  at::Tensor bias = {};  // added to the scores, broadcast to [batch, heads, queries, keys]
  bool causal = false;   // query i sees keys 0..i
  std::optional<double> scale = {};  // default 1 / sqrt(head_dim)
};

// softmax(q k^T * scale + bias) v, softmax in float32. q [batch, heads, queries, head_dim],
// k and v [batch, heads, keys, head_dim] -> [batch, heads, queries, head_dim]
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const AttentionOptions& options = {});

}  // namespace trireme
