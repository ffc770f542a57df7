// Sd3Transformer: the multimodal diffusion transformer of Stable Diffusion 3 and 3.5 (Esser et al.
// 2024), or the part of it that one rank of a mesh holds. Time and text embedders are on every
// stage, for each makes the modulations of its own blocks; patches, positions and the text
// projection are on the first, the output layer on the last. Quantized: the blocks with their
// modulations, the text projection and the last modulation; not the time and pooled-text embedders,
// the patch embedding and the output layer.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "src/nn/embeddings.h"
#include "src/nn/patches.h"
#include "src/transformers/denoiser.h"
#include "src/transformers/position_table.h"
#include "src/transformers/sd3_block.h"
#include "src/transformers/sd3_config.h"
#include "src/transformers/sd3_flops.h"

namespace trireme {

// What the first stage holds.
struct Sd3Embed {
  PatchEmbed patches;
  PositionTable positions;
  Linear text;

  Sd3Embed(const Weights& weights, const Sd3Config& config, BeyondTable beyond);
};

// What the last stage holds.
struct Sd3Head {
  GatheredLinear modulation;
  Linear out;

  Sd3Head(const Weights& weights, const Sd3Config& config, const Group& tensor);
};

class Sd3Transformer : public Denoiser {
 public:
  Sd3Transformer(const Sd3Config& config, const Weights& weights, const Mesh& mesh,
                 at::ScalarType dtype, BeyondTable beyond = BeyondTable::kRefuse);

  std::unique_ptr<Denoising> begin(const TextEmbeddings& text, const std::vector<float>& timesteps,
                                   BatchShape shape) const override;
  int64_t block_count() const override { return config_.num_layers; }
  int64_t latent_channels() const override { return config_.in_channels; }
  int64_t native_size() const override { return config_.sample_size * 8; }
  at::ScalarType dtype() const override { return dtype_; }

 private:
  friend class Sd3Denoising;

  Sd3Config config_;
  at::ScalarType dtype_;
  Group sequence_;
  MeshCoordinates coordinates_;
  Part held_;                      // blocks of this stage
  EmbeddingMlp time_, text_;       // of the timestep, of the pooled text
  std::optional<Sd3Embed> embed_;  // first stage
  std::vector<JointBlock> blocks_;
  std::optional<Sd3Head> head_;  // last stage
};

}  // namespace trireme
