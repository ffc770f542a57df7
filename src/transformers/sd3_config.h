// Sd3Config: the shape of a Stable Diffusion 3 transformer, as its config.json gives it.
// SD3-medium, SD3.5-medium and SD3.5-large differ in these numbers only.
#pragma once

#include <cstdint>
#include <vector>

#include "src/weights/component_config.h"

namespace trireme {

struct Sd3Config {
  int64_t sample_size = 0;  // latent pixels of a side that the model was trained for
  int64_t patch_size = 0;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t num_layers = 0;
  int64_t head_dim = 0;
  int64_t heads = 0;
  int64_t joint_attention_dim = 0;    // width of the text embeddings
  int64_t pooled_projection_dim = 0;  // width of the pooled text embeddings
  int64_t pos_embed_max_size = 0;     // patches of a side in the stored position table
  bool qk_norm = false;
  std::vector<int64_t> dual_attention_layers = {};

  static constexpr int64_t kTimeChannels = 256;  // of the timestep's sinusoid

  int64_t width() const { return heads * head_dim; }
  int64_t hidden() const { return 4 * width(); }  // of the feed-forward networks
  bool dual(int64_t block) const;
  bool last(int64_t block) const { return block == num_layers - 1; }
  // Vectors that modulate the streams of a block: shift, scale and gate of each of its parts. The
  // last block's text ends at the attention.
  int64_t image_modulations(int64_t block) const { return dual(block) ? 9 : 6; }
  int64_t text_modulations(int64_t block) const { return last(block) ? 2 : 6; }
  // Channels of a patch of the prediction.
  int64_t patch_out() const { return patch_size * patch_size * out_channels; }
  // The stored position table was made at coordinates in [0, base_size).
  double base_size() const { return static_cast<double>(sample_size / patch_size); }

  // Error (kBadData) names the file and the key that is missing or asks for what does not exist.
  static Sd3Config read(const ComponentConfig& config);
};

}  // namespace trireme
