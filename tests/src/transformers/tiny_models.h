// Tiny transformers of both families with every feature on, for tests.
#pragma once

#include "src/transformers/pixart.h"
#include "src/transformers/sd3.h"
#include "tests/support/recipe.h"
#include "tests/support/sources.h"

namespace trireme {

// models.md section 6.3: the models whose outputs are golden.
inline Sd3Config golden_sd3(bool sd35) {
  Sd3Config c{.sample_size = 8,
              .patch_size = 2,
              .in_channels = 4,
              .out_channels = 4,
              .num_layers = 3,
              .head_dim = 8,
              .heads = 4,
              .joint_attention_dim = 24,
              .pooled_projection_dim = 20,
              .pos_embed_max_size = 10,
              .qk_norm = sd35};
  if (sd35) c.dual_attention_layers = {0, 1};
  return c;
}

inline PixArtConfig golden_pixart() {
  return {.sample_size = 8,
          .patch_size = 2,
          .in_channels = 4,
          .out_channels = 8,
          .num_layers = 2,
          .head_dim = 8,
          .heads = 3,
          .caption_channels = 16,
          .interpolation_scale = 2};
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
