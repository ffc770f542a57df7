// T5Encoder: the encoder of T5 v1.1 (Raffel et al. 2020, Shazeer 2020), whole or as one rank's
// part: heads with their position biases, hidden units and the rows of the vocabulary are cut over
// a tensor group. The sum that runs through the layers is float32 whatever the weights are, because
// it outgrows float16. Quantized: the matrices and the embedding; not the norms and the biases.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "parallel/layers/embedding.h"
#include "parallel/layers/linear.h"
#include "src/encoders/flops.h"
#include "src/encoders/t5_config.h"
#include "src/nn/norms.h"

namespace trireme {

// The bucket of key position - query position, int64 [tokens (query), tokens (key)]. Half of the
// buckets are for keys behind the query; small distances have their own, large ones share.
at::Tensor relative_buckets(int64_t tokens, int64_t buckets, int64_t max_distance);

struct T5Attention {
  FusedColumnLinear<3> qkv;
  RowLinear out;
  int64_t head_dim;

  T5Attention(const Weights& weights, const T5Config& config, const Group& tensor);
  // x [batch, tokens, width], bias [1 or batch, heads of this rank, tokens, tokens] -> like x
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const;
};

struct T5FeedForward {
  FusedColumnLinear<2> gate_and_up;
  RowLinear down;
  Activation activation;

  T5FeedForward(const Weights& weights, const T5Config& config, const Group& tensor);
  at::Tensor operator()(const at::Tensor& x) const;  // [batch, tokens, width], the same
};

struct T5Layer {
  RmsNorm norm1, norm2;
  T5Attention attention;
  T5FeedForward mlp;

  T5Layer(const Weights& weights, const T5Config& config, const Group& tensor);
  // x float32 [batch, tokens, width], the same
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const;
};

class T5Encoder {
 public:
  // Names as in transformers' T5EncoderModel; the embedding may have either of its two.
  T5Encoder(const T5Config& config, const Weights& weights, const Group& tensor);

  // ids int64 [batch, tokens], mask the same with 1 where a token may be seen, or undefined: all of
  // them -> [batch, tokens, width] in the weights' dtype
  at::Tensor operator()(const at::Tensor& ids, const at::Tensor& mask = {}) const;

  // FLOPs (parallel/flops.h) of this rank for one text of so many tokens.
  int64_t flops(int64_t tokens) const { return t5_flops(config_, tokens, tensor_); }
  const T5Config& config() const { return config_; }

 private:
  at::Tensor position_bias(int64_t tokens) const;  // [1, heads of this rank, tokens, tokens]

  T5Config config_;
  Coordinate tensor_;
  VocabEmbedding tokens_;
  at::Tensor biases_;  // [buckets, heads of this rank]
  std::vector<T5Layer> layers_;
  RmsNorm final_norm_;
};

}  // namespace trireme
