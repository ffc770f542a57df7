// Tiny transformers of both families, for tests: configs that differ in blocks and heads alone, and
// the models whose outputs are golden.
#pragma once

#include "src/transformers/pixart.h"
#include "src/transformers/sd3.h"
#include "tests/support/recipe.h"
#include "tests/support/sources.h"

namespace trireme {

constexpr int64_t kTinyHeadDim = 8, kTinyTextWidth = 24, kTinyPooledWidth = 20;

// SD3, and SD3.5 with its norms and dual blocks.
inline Sd3Config tiny_sd3(int64_t blocks, int64_t heads) {
  return {.sample_size = 8,
          .patch_size = 2,
          .in_channels = 4,
          .out_channels = 4,
          .num_layers = blocks,
          .head_dim = kTinyHeadDim,
          .heads = heads,
          .joint_attention_dim = kTinyTextWidth,
          .pooled_projection_dim = kTinyPooledWidth,
          .pos_embed_max_size = 10};
}

inline Sd3Config tiny_sd35(int64_t blocks, int64_t heads) {
  auto config = tiny_sd3(blocks, heads);
  config.qk_norm = true;
  config.dual_attention_layers = {0, 1};
  return config;
}

inline PixArtConfig tiny_pixart(int64_t blocks, int64_t heads) {
  return {.sample_size = 8,
          .patch_size = 2,
          .in_channels = 4,
          .out_channels = 8,
          .num_layers = blocks,
          .head_dim = kTinyHeadDim,
          .heads = heads,
          .caption_channels = kTinyTextWidth,
          .interpolation_scale = 2};
}

// models.md section 6.3: the models whose outputs are golden.
inline Sd3Config golden_sd3(bool sd35) {
  return sd35 ? tiny_sd35(3, 4) : tiny_sd3(3, 4);
}

inline PixArtConfig golden_pixart() {
  auto config = tiny_pixart(2, 3);
  config.caption_channels = 16;
  return config;
}

// The weights that the recipe gives a model: it is asked what it reads, then built again with that.
template <typename Model, typename Config>
std::map<std::string, at::Tensor> recipe_for_model(const Config& config) {
  const auto source = std::make_shared<RandomSource>();
  const Model probe(config, Weights(source), Mesh{}, at::kFloat);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [name, tensor] : source->tensors()) shapes[name] = tensor.sizes().vec();
  return recipe_weights(shapes);
}

inline Sd3Transformer golden_sd3_model(const Sd3Config& config) {
  auto tensors = recipe_for_model<Sd3Transformer>(config);
  const auto side = config.pos_embed_max_size;
  tensors["pos_embed.pos_embed"] =
      grid_sinusoid(side, side, config.width(),
                    static_cast<double>(config.sample_size / config.patch_size), 1)
          .unsqueeze(0);
  return Sd3Transformer(config, memory_weights(tensors), Mesh{}, at::kFloat);
}

inline PixArtTransformer golden_pixart_model() {
  return PixArtTransformer(golden_pixart(),
                           memory_weights(recipe_for_model<PixArtTransformer>(golden_pixart())),
                           Mesh{}, at::kFloat);
}

}  // namespace trireme
