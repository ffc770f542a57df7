// VaeConfig: the shape of an AutoencoderKL decoder and the affine map between its latents and the
// latents that are denoised, as config.json gives them.
#pragma once

#include <cstdint>
#include <vector>

#include "src/weights/component_config.h"

namespace trireme {

struct VaeConfig {
  std::vector<int64_t> block_out_channels;  // by level, the image's own size first
  int64_t layers_per_block = 1;             // the decoder has one resnet more at each level
  int64_t latent_channels = 4;
  int64_t out_channels = 3;
  int64_t norm_groups = 32;
  bool post_quant_conv = true;
  bool mid_attention = true;
  int64_t sample_size = 32;  // pixels of a side that it was trained on: of a tile
  double scaling = 0.18215;
  double shift = 0.0;

  int64_t levels() const { return static_cast<int64_t>(block_out_channels.size()); }
  // Pixels of the image for a pixel of the latents, along a side.
  int64_t upscale() const { return int64_t{1} << (levels() - 1); }

  // Error (kBadData) names the file and the key that is missing or asks for another kind of block.
  static VaeConfig read(const ComponentConfig& config);
};

}  // namespace trireme
