// Attention. Heads are whatever the tensors carry: tensor parallelism needs nothing here but fewer
// heads. Tokens may be spread over a sequence group.
#pragma once

#include <ATen/ATen.h>

#include "parallel/mesh.h"
#include "parallel/split.h"

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

// The same, without options, where each rank of a sequence group holds some of the tokens: queries
// by one split over the group, keys and values by another. Returns this rank's queries' rows.
// Ulysses groups trade tokens for heads, which need not divide evenly (Jacobs et al. 2023,
// arXiv:2309.14509); in a ring, keys and values travel and partial results are merged by their log
// sums (Liu et al. 2023, arXiv:2310.01889). One rank: attend.
at::Tensor parallel_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const Sequence& sequence, const Split& queries, const Split& keys);

}  // namespace trireme
