// KvCompression: fewer keys and values than queries in a self-attention (Chen et al. 2024, PixArt-
// Sigma, section 3.3). A convolution that makes one token of each square, with a layer norm behind
// it, or plain picking of tokens; which, KvSampling says.
//
// Over a sequence group tokens are compressed before they travel, and then every rank has all that
// are left, for the queries of its own tokens: less talk and no more memory than trading heads or a
// ring would need for all tokens. Where a cut goes through a square, each side convolves what it
// holds of it, and the parts are added. Over a tensor group channels are cut with the heads, and
// the norm's moments are exchanged. One rank: the plain formula.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "parallel/mesh.h"
#include "parallel/tensor_source.h"
#include "src/nn/norms.h"
#include "src/transformers/kv_sampling.h"

namespace trireme {

class KvCompression {
 public:
  // Of `width` channels in heads of head_dim. The convolution's tensors are sr.weight, sr.bias,
  // norm.weight and norm.bias.
  KvCompression(const Weights& weights, KvSampling sampling, int64_t width, int64_t head_dim,
                const Mesh& mesh);

  struct KeysAndValues {
    at::Tensor k, v;  // [batch, tokens that are left, channels of this rank]
  };
  // k, v [batch, tokens of this rank, channels of this rank]
  KeysAndValues operator()(const at::Tensor& k, const at::Tensor& v,
                           const ImageTokens& tokens) const;

 private:
  at::Tensor convolved(const KeysAndValues& held, const ImageTokens& tokens, Part run) const;
  at::Tensor picked(const KeysAndValues& held, const ImageTokens& tokens, Part run) const;
  at::Tensor gathered(const at::Tensor& mine, const ImageTokens& tokens) const;

  KvSampling sampling_;
  Group sequence_;
  at::Tensor weight_, bias_;  // of the convolution: [channels, 1, factor, factor], [channels]
  std::optional<CutLayerNorm> norm_;
};

}  // namespace trireme
