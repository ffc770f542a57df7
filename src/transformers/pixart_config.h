// PixArtConfig: the shape of a PixArt-Sigma transformer, as its config.json gives it. The released
// models for 256, 512, 1024 and 2048 pixels differ in sample size and interpolation only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "src/nn/activations.h"
#include "src/transformers/kv_sampling.h"
#include "src/weights/component_config.h"

namespace trireme {

struct PixArtConfig {
  int64_t sample_size = 0;  // latent pixels of a side that the model was trained for
  int64_t patch_size = 0;
  int64_t in_channels = 0;
  int64_t out_channels = 0;  // the noise, and behind it a learned variance that sampling ignores
  int64_t num_layers = 0;
  int64_t head_dim = 0;
  int64_t heads = 0;
  int64_t caption_channels = 0;  // width of the text embeddings
  double interpolation_scale = 1;
  double norm_eps = 1e-6;
  Activation activation = Activation::kGeluTanh;
  // Of the paper's 4K model, which was never released: `kv_compress`, `kv_compress_config` and
  // `qk_norm` as the original repository names them. The released models have none of it.
  KvSampling kv_sampling = {};
  std::vector<int64_t> kv_compress_layers = {};  // blocks
  bool qk_norm = false;  // layer norms of queries and keys over the full width

  static constexpr int64_t kTimeChannels = 256;  // of the timestep's sinusoid
  static constexpr int64_t kModulations = 6;     // shift, scale and gate of attention and MLP

  int64_t width() const { return heads * head_dim; }
  int64_t hidden() const { return 4 * width(); }  // of the feed-forward networks
  // Channels of a patch of the prediction.
  int64_t patch_out() const { return patch_size * patch_size * out_channels; }
  // How the keys and values of a block are compressed, if they are; of any block.
  std::optional<KvSampling> compression(int64_t block) const;
  std::optional<KvSampling> compression() const;
  // Positions run through [0, base_size / interpolation_scale).
  double base_size() const { return static_cast<double>(sample_size / patch_size); }

  // Error (kBadData) names the file and the key that is missing or asks for what does not exist.
  static PixArtConfig read(const ComponentConfig& config);
};

}  // namespace trireme
