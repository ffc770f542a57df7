// Attention on a CPU, streamed over the keys (Dao et al. 2022, arXiv:2205.14135): a thread holds
// one tile of scores, so memory stays linear in the tokens. The products are oneDNN's, which
// multiply bfloat16 where the CPU does; the rest is float32. The same bits for any number of
// threads.
#pragma once

#include <ATen/ATen.h>

namespace trireme {

// Attention over some of the keys, and what it takes to merge it with that over others.
struct AttentionPart {
  at::Tensor out;      // float32 [batch, heads, queries, head_dim]
  at::Tensor log_sum;  // float32 [batch, heads, queries]: log of the sum of exp(scores)
};

// Whether these tensors are of a kind, and large enough, that streaming here is quicker than ATen:
// on the host, float32, or bfloat16 that the CPU multiplies.
bool streams(const at::Tensor& q, const at::Tensor& k);

// q [batch, heads, queries, head_dim], k and v [batch, heads, keys, head_dim], one type, of which
// streams() holds; at least one key. `scale` multiplies the scores.
AttentionPart streamed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 double scale);

}  // namespace trireme
