// ClipTextModel: the text encoder of CLIP (Radford et al. 2021) with its projection, whole or as
// one rank's part: heads, hidden units and the rows of the vocabulary are cut over a tensor group.
// A group of one holds all of it. Quantized: the layers' matrices; not the embeddings and the
// projection, which is one row's.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "parallel/layers/embedding.h"
#include "parallel/layers/linear.h"
#include "src/encoders/clip_config.h"
#include "src/encoders/flops.h"
#include "src/nn/norms.h"

namespace trireme {

struct ClipOutput {
  at::Tensor hidden;  // [batch, tokens, width], a late layer's output, not normed
  at::Tensor pooled;  // [batch, projection], the last layer at the end of the text
};

struct ClipAttention {
  FusedColumnLinear<3> qkv;
  RowLinear out;
  int64_t head_dim;

  ClipAttention(const Weights& weights, const ClipConfig& config, const Group& tensor);
  at::Tensor operator()(const at::Tensor& x) const;  // [batch, tokens, width], the same
};

struct ClipLayer {
  LayerNorm norm1, norm2;
  ClipAttention attention;
  ColumnLinear fc1;
  RowLinear fc2;
  Activation activation;

  ClipLayer(const Weights& weights, const ClipConfig& config, const Group& tensor);
  at::Tensor operator()(const at::Tensor& x) const;  // [batch, tokens, width], the same
};

class ClipTextModel {
 public:
  // Names as in transformers' CLIPTextModelWithProjection.
  ClipTextModel(const ClipConfig& config, const Weights& weights, const Group& tensor);

  // ids int64 [batch, tokens]. hidden is the output of the last layer but 1 + clip_skip. Padding is
  // seen like any other token: attention is causal, so the text never sees what follows it.
  ClipOutput operator()(const at::Tensor& ids, int64_t clip_skip = 0) const;

  // FLOPs (parallel/flops.h) of this rank for one text of so many tokens.
  int64_t flops(int64_t tokens) const { return clip_flops(config_, tokens, tensor_); }
  const ClipConfig& config() const { return config_; }

 private:
  at::Tensor embed(const at::Tensor& ids) const;
  at::Tensor end_of_text(const at::Tensor& ids) const;  // int64 [batch]

  ClipConfig config_;
  Coordinate tensor_;
  VocabEmbedding tokens_;
  at::Tensor positions_;  // [positions, width]
  std::vector<ClipLayer> layers_;
  LayerNorm final_norm_;
  Linear projection_;
};

}  // namespace trireme
