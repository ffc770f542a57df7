// The shapes of the released transformers, as their config.json files give them, for counts that
// need no weights.
#pragma once

#include <optional>
#include <string>

#include "src/transformers/pixart_config.h"
#include "src/transformers/sd3_config.h"

namespace trireme {

// SD3-medium, SD3.5-medium or SD3.5-large; nothing for another name.
inline std::optional<Sd3Config> real_sd3(const std::string& name) {
  Sd3Config c{.sample_size = 128,
              .patch_size = 2,
              .in_channels = 16,
              .out_channels = 16,
              .num_layers = 24,
              .head_dim = 64,
              .heads = 24,
              .joint_attention_dim = 4096,
              .pooled_projection_dim = 2048,
              .pos_embed_max_size = 192};
  if (name == "SD3-medium") return c;
  c.qk_norm = true;
  if (name == "SD3.5-medium") {
    c.pos_embed_max_size = 384;
    c.dual_attention_layers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    return c;
  }
  if (name != "SD3.5-large") return std::nullopt;
  c.num_layers = c.heads = 38;
  return c;
}

// PixArt-Sigma XL/2 for 1024 pixels.
inline PixArtConfig real_pixart() {
  return {.sample_size = 128,
          .patch_size = 2,
          .in_channels = 4,
          .out_channels = 8,
          .num_layers = 28,
          .head_dim = 72,
          .heads = 16,
          .caption_channels = 4096,
          .interpolation_scale = 2};
}

}  // namespace trireme
