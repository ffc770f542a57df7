#include "src/transformers/sd3_work.h"

#include "src/transformers/sd3_flops.h"

namespace trireme {
namespace {

constexpr Cut kHeads = Cut::kOut;  // columns of heads, hidden units or modulations

// Queries, keys and values of one stream, and what the heads have seen back to the model's width.
void add_projections(Layer& block, const Sd3Config& c, Rows rows, bool with_output) {
  const auto d = c.width();
  block.every.push_back(
      {.in = d, .out = d, .rows = rows, .cut = kHeads, .unit = c.head_dim, .parts = 3});
  if (with_output)
    block.every.push_back({.in = d, .out = d, .rows = rows, .cut = Cut::kIn, .unit = c.head_dim});
  if (c.qk_norm) block.vector_elements += 2 * c.head_dim;
}

void add_feed_forward(Layer& block, const Sd3Config& c, Rows rows) {
  block.every.push_back({.in = c.width(), .out = c.hidden(), .rows = rows, .cut = kHeads});
  block.every.push_back({.in = c.hidden(), .out = c.width(), .rows = rows, .cut = Cut::kIn});
}

Product modulation(const Sd3Config& c, int64_t vectors) {
  return {.in = c.width(),
          .out = vectors * c.width(),
          .rows = Rows::kStepSamples,
          .cut = kHeads,
          .gathers = true};
}

Layer block(const Sd3Config& c, int64_t index) {
  const bool last = c.last(index);
  Layer block;
  block.once = {modulation(c, c.image_modulations(index)),
                modulation(c, c.text_modulations(index))};
  add_projections(block, c, Rows::kImage, /*with_output=*/true);
  add_projections(block, c, Rows::kText, /*with_output=*/!last);
  add_feed_forward(block, c, Rows::kImage);
  if (!last) add_feed_forward(block, c, Rows::kText);
  block.attention.push_back({.sees = last ? Sees::kImageAtJoint : Sees::kJoint,
                             .heads = c.heads,
                             .head_dim = c.head_dim});
  if (c.dual(index)) {
    add_projections(block, c, Rows::kImage, /*with_output=*/true);
    block.attention.push_back({.sees = Sees::kImage, .heads = c.heads, .head_dim = c.head_dim});
  }
  return block;
}

// Linear - SiLU - Linear.
void add_embedder(Layer& layer, int64_t in, int64_t out, Rows rows) {
  layer.once.push_back({.in = in, .out = out, .rows = rows, .quantizes = false});
  layer.once.push_back({.in = out, .out = out, .rows = rows, .quantizes = false});
}

}  // namespace

TransformerWork sd3_work(const Sd3Config& c) {
  TransformerWork work{.width = c.width(),
                       .heads = c.heads,
                       .head_dim = c.head_dim,
                       .latent_channels = c.in_channels,
                       .patch_size = c.patch_size,
                       .text_travels = true,
                       .block_costs = sd3_block_costs(c)};
  add_embedder(work.every_stage, Sd3Config::kTimeChannels, c.width(), Rows::kSteps);
  add_embedder(work.every_stage, c.pooled_projection_dim, c.width(), Rows::kSamples);
  // The position table is read where a picture needs it and not held.
  work.first.once = {{.in = c.joint_attention_dim, .out = c.width(), .rows = Rows::kText}};
  work.first.every = {{.in = c.patch_size * c.patch_size * c.in_channels,
                       .out = c.width(),
                       .rows = Rows::kAllImage,
                       .quantizes = false}};
  for (int64_t i = 0; i < c.num_layers; ++i) work.blocks.push_back(block(c, i));
  work.last.once = {modulation(c, 2)};
  work.last.every = {
      {.in = c.width(), .out = c.patch_out(), .rows = Rows::kImage, .quantizes = false}};
  return work;
}

}  // namespace trireme
