// The block of PixArt-Sigma (Chen et al. 2024): self-attention, cross-attention to the text and a
// feed-forward network, modulated by one set of six vectors for the whole model plus a small table
// of the block's own. Heads and hidden units are cut over the mesh's tensor group, image tokens
// over its sequence group; every rank has all of the text.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "parallel/layers/attention.h"
#include "parallel/layers/linear.h"
#include "src/nn/feed_forward.h"
#include "src/nn/modulation.h"
#include "src/transformers/kv_compression.h"
#include "src/transformers/pixart_config.h"

namespace trireme {

// Keys and values of one sample's text in one block: [1, heads of this rank, its tokens, head_dim].
// Padding is not among them, so a sample's attention depends on nothing but the sample.
struct TextKeys {
  at::Tensor k, v;
};

struct PixArtSelfAttention {
  FusedColumnLinear<3> qkv;
  RowLinear out;
  int64_t head_dim;
  Sequence sequence;
  std::optional<CutLayerNorm> q_norm, k_norm;  // before compression
  std::optional<KvCompression> compression;    // of some models' blocks

  // `original`: where a file may hold q_norm, k_norm, sr and norm by their first names.
  PixArtSelfAttention(const Weights& weights, const Weights& original, const PixArtConfig& config,
                      std::optional<KvSampling> sampling, const Mesh& mesh);
  // [batch, tokens of this rank, width]
  at::Tensor operator()(const at::Tensor& x, const ImageTokens& tokens) const;
};

struct CrossAttention {
  ColumnLinear q;
  FusedColumnLinear<2> kv;
  RowLinear out;
  int64_t head_dim;

  CrossAttention(const Weights& weights, const PixArtConfig& config, const Group& tensor);
  TextKeys keys(const at::Tensor& text) const;  // [1, its tokens, width]
  // x [batch, tokens, width] with the keys of each sample
  at::Tensor operator()(const at::Tensor& x, const std::vector<TextKeys>& text) const;
};

class PixArtBlock {
 public:
  // weights: those of the whole model
  PixArtBlock(const Weights& weights, int64_t index, const PixArtConfig& config, const Mesh& mesh);

  // shared: the model's six modulations at every step, [steps, 6, width]
  ModulationTable modulations(const at::Tensor& shared) const;
  // texts: the projected tokens of each sample, [1, its tokens, width]
  std::vector<TextKeys> text_keys(const std::vector<at::Tensor>& texts) const;
  at::Tensor operator()(at::Tensor x, const ImageTokens& tokens, const std::vector<TextKeys>& text,
                        const ModulationTable& modulations, int64_t step) const;

 private:
  double eps_;
  at::Tensor table_;  // [6, width]
  PixArtSelfAttention self_;
  CrossAttention cross_;
  FeedForward mlp_;
};

}  // namespace trireme
