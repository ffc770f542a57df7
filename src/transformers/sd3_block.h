// The block of the multimodal diffusion transformer (Esser et al. 2024, figure 2b): image and text
// have their own weights and meet in one attention over both token streams. Heads and hidden units
// are cut over the mesh's tensor group, tokens over its sequence group; the modulations of all
// steps come from outside, computed once.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "parallel/layers/attention.h"
#include "parallel/layers/linear.h"
#include "src/nn/feed_forward.h"
#include "src/nn/modulation.h"
#include "src/nn/norms.h"
#include "src/transformers/denoiser.h"
#include "src/transformers/sd3_config.h"

namespace trireme {

// RMS norm of queries and keys, head by head; the identity where the model has none.
struct QkNorm {
  std::optional<RmsNorm> q, k;

  static QkNorm read(bool wanted, const Weights& q, const Weights& k, int64_t head_dim);
};

// Queries, keys and values of one token stream.
struct Projection {
  FusedColumnLinear<3> qkv;
  QkNorm norm;
  int64_t head_dim;

  struct Heads {
    at::Tensor q, k, v;  // [batch, heads of this rank, tokens, head_dim]
  };
  Heads operator()(const at::Tensor& x) const;  // [batch, tokens, width]
};

// One softmax over image and text tokens.
struct JointAttention {
  Projection image, text;
  RowLinear image_out;
  std::optional<RowLinear> text_out;  // none in the last block: its text ends here
  Sequence sequence;

  JointAttention(const Weights& weights, const Sd3Config& config, const Mesh& mesh, bool last);
  Streams operator()(const Streams& x, const StreamSplits& tokens) const;
};

// Image tokens among themselves: the second attention of SD3.5-medium.
struct SelfAttention {
  Projection image;
  RowLinear out;
  Sequence sequence;

  SelfAttention(const Weights& weights, const Sd3Config& config, const Mesh& mesh);
  at::Tensor operator()(const at::Tensor& x, const Split& tokens) const;  // [batch, tokens, width]
};

// What the block adds to its streams at every step, by timestep and pooled text.
struct JointModulations {
  ModulationTable image;
  ModulationTable text;
};

class JointBlock {
 public:
  JointBlock(const Weights& weights, const Sd3Config& config, const Mesh& mesh, int64_t index);

  // silu_temb: SiLU of the time-and-text embedding, [steps, batch, width]
  JointModulations modulations(const at::Tensor& silu_temb) const;
  Streams operator()(Streams x, const StreamSplits& tokens, const JointModulations& modulations,
                     int64_t step) const;

 private:
  bool last_;
  GatheredLinear image_modulation_, text_modulation_;
  JointAttention attention_;
  std::optional<SelfAttention> dual_;
  FeedForward image_mlp_;
  std::optional<FeedForward> text_mlp_;  // none in the last block
};

}  // namespace trireme
