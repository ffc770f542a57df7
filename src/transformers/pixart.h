// PixArtTransformer: the diffusion transformer of PixArt-Sigma (Chen et al. 2024), or the part of
// it that one rank of a mesh holds. The timestep's and the text's little networks are on every
// stage, for each makes the modulations and text keys of its own blocks; patches are on the first,
// the output layer on the last. Quantized: the blocks, the modulation and the caption projection;
// not the time embedder, the patch embedding, the tables and the output layer.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "src/nn/embeddings.h"
#include "src/nn/patches.h"
#include "src/transformers/denoiser.h"
#include "src/transformers/pixart_block.h"
#include "src/transformers/pixart_config.h"
#include "src/transformers/pixart_flops.h"

namespace trireme {

// Linear - GELU - Linear: text embeddings to the model's width.
struct CaptionProjection {
  Linear linear_1, linear_2;

  CaptionProjection(const Weights& weights, int64_t in, int64_t out);
  at::Tensor operator()(const at::Tensor& text) const;  // [..., in] -> [..., out]
};

// What the last stage holds.
struct PixArtHead {
  at::Tensor table;  // scale_shift_table, [2, width]: shift, scale
  Linear out;

  PixArtHead(const Weights& weights, const PixArtConfig& config);
};

class PixArtTransformer : public Denoiser {
 public:
  PixArtTransformer(const PixArtConfig& config, const Weights& weights, const Mesh& mesh,
                    at::ScalarType dtype);

  std::unique_ptr<Denoising> begin(const TextEmbeddings& text, const std::vector<float>& timesteps,
                                   BatchShape shape) const override;
  int64_t block_count() const override { return config_.num_layers; }
  int64_t latent_channels() const override { return config_.in_channels; }
  int64_t native_size() const override { return config_.sample_size * 8; }
  at::ScalarType dtype() const override { return dtype_; }

 private:
  friend class PixArtDenoising;

  PixArtConfig config_;
  at::ScalarType dtype_;
  Group sequence_;
  MeshCoordinates coordinates_;
  Part held_;  // blocks of this stage
  EmbeddingMlp time_;
  GatheredLinear modulation_;  // time embedding to the six shared modulations
  CaptionProjection caption_;
  std::optional<PatchEmbed> patches_;  // first stage
  std::vector<PixArtBlock> blocks_;
  std::optional<PixArtHead> head_;  // last stage
};

}  // namespace trireme
