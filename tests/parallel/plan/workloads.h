// Workloads for tests of plans: a model with the shape of SD3-medium and its encoders, made by hand
// from numbers alone.
#pragma once

#include "parallel/plan/workload.h"

namespace trireme {

inline EncoderWork encoder_like(const char* name, int64_t tokens, int64_t width, int64_t hidden,
                                int64_t layers, bool gated) {
  EncoderWork work{.name = name,
                   .tokens = tokens,
                   .width = width,
                   .vocab = 32'128,
                   .layers = layers,
                   .gated = gated};
  work.layer.every = {
      {.in = width,
       .out = width,
       .rows = Rows::kText,
       .cut = Cut::kOut,
       .unit = 64,
       .parts = 3,
       .bias = false},
      {.in = width, .out = width, .rows = Rows::kText, .cut = Cut::kIn, .unit = 64, .bias = false},
      {.in = width,
       .out = hidden,
       .rows = Rows::kText,
       .cut = Cut::kOut,
       .parts = gated ? 2 : 1,
       .bias = false},
      {.in = hidden, .out = width, .rows = Rows::kText, .cut = Cut::kIn, .bias = false}};
  work.layer.attention = {{.sees = Sees::kText, .heads = width / 64, .head_dim = 64}};
  work.storage = Storage::kHalf;
  return work;
}

inline TransformerWork transformer_like(int64_t width, int64_t blocks) {
  TransformerWork work{.width = width,
                       .heads = width / 64,
                       .head_dim = 64,
                       .latent_channels = 16,
                       .text_travels = true,
                       .storage = Storage::kHalf};
  Layer block;
  for (const auto rows : {Rows::kImage, Rows::kText}) {
    block.every.push_back(
        {.in = width, .out = width, .rows = rows, .cut = Cut::kOut, .unit = 64, .parts = 3});
    block.every.push_back({.in = width, .out = width, .rows = rows, .cut = Cut::kIn, .unit = 64});
    block.every.push_back({.in = width, .out = 4 * width, .rows = rows, .cut = Cut::kOut});
    block.every.push_back({.in = 4 * width, .out = width, .rows = rows, .cut = Cut::kIn});
  }
  block.once = {{.in = width,
                 .out = 12 * width,
                 .rows = Rows::kStepSamples,
                 .cut = Cut::kOut,
                 .gathers = true}};
  block.attention = {{.sees = Sees::kJoint, .heads = width / 64, .head_dim = 64}};
  work.blocks.assign(blocks, block);
  work.block_costs.assign(blocks, 1);
  work.first.every = {{.in = 64, .out = width, .rows = Rows::kAllImage}};
  work.last.every = {{.in = width, .out = 64}};
  return work;
}

inline VaeWork vae_like() {
  VaeWork work{.latent_channels = 16,
               .channels = {128, 256, 512, 512},
               .layers_per_block = 2,
               .upscale = 8,
               .attention_channels = 512,
               .norms = 30};
  for (const auto& [channels, factor, count] :
       {std::tuple{512, 1, 10}, {512, 2, 6}, {256, 4, 6}, {128, 8, 6}})
    for (int i = 0; i < count; ++i)
      work.convolutions.push_back({.in = channels, .out = channels, .factor = factor});
  return work;
}

// Pictures of `side` pixels with guidance, in half precision.
inline Workload medium_job(int64_t pictures, int64_t side = 1024) {
  const auto latents = side / 8;
  return {.model = "like sd3",
          .encoders = {encoder_like("text_encoder", 77, 768, 3072, 12, false),
                       encoder_like("text_encoder_3", 256, 4096, 10'240, 24, true)},
          .transformer = transformer_like(1536, 24),
          .vae = vae_like(),
          .shapes = {{.pictures = pictures,
                      .latent_height = latents,
                      .latent_width = latents,
                      .image_tokens = latents * latents / 4,
                      .text_tokens = 333,
                      .branches = 2,
                      .steps = 28}},
          .texts_per_picture = 1,
          .element_bytes = 2,
          .embedding_bytes = 2 * 333 * 4096 * 2};
}

}  // namespace trireme
