#include "src/transformers/pixart_work.h"

#include "src/transformers/pixart_flops.h"

namespace trireme {
namespace {

// Of a convolution that has one input channel for each of the output's, with its bias, and of the
// norm behind it: vectors as wide as the heads.
int64_t compression_vectors(const PixArtConfig& c, int64_t index) {
  const auto sampling = c.compression(index);
  if (!sampling || sampling->kind != KvSampling::Kind::kConv) return 0;
  return sampling->factor * sampling->factor + 3;
}

int64_t tokens_per_key(const PixArtConfig& c, int64_t index) {
  const auto sampling = c.compression(index);
  if (!sampling) return 1;
  const bool flat = sampling->kind == KvSampling::Kind::kFlat;
  return flat ? sampling->factor : sampling->factor * sampling->factor;
}

Layer block(const PixArtConfig& c, int64_t index) {
  const auto d = c.width();
  const Product in{.in = d, .out = d, .cut = Cut::kOut, .unit = c.head_dim};
  const Product out{.in = d, .out = d, .cut = Cut::kIn, .unit = c.head_dim};
  auto qkv = in, text_keys = in;
  qkv.parts = 3;
  text_keys.parts = 2;
  text_keys.rows = Rows::kAllText;
  Layer block;
  block.once = {text_keys};
  block.every = {qkv,
                 out,
                 in,
                 out,
                 {.in = d, .out = c.hidden(), .cut = Cut::kOut},
                 {.in = c.hidden(), .out = d, .cut = Cut::kIn}};
  block.attention = {{.sees = Sees::kImage,
                      .heads = c.heads,
                      .head_dim = c.head_dim,
                      .tokens_per_key = tokens_per_key(c, index)},
                     {.sees = Sees::kImageAtText, .heads = c.heads, .head_dim = c.head_dim}};
  block.vector_elements = PixArtConfig::kModulations * d;
  block.cut_vectors = compression_vectors(c, index) + (c.qk_norm ? 4 : 0);
  return block;
}

void add_mlp(Layer& layer, int64_t in, int64_t out, Rows rows, bool quantizes) {
  layer.once.push_back({.in = in, .out = out, .rows = rows, .quantizes = quantizes});
  layer.once.push_back({.in = out, .out = out, .rows = rows, .quantizes = quantizes});
}

}  // namespace

TransformerWork pixart_work(const PixArtConfig& c) {
  TransformerWork work{.width = c.width(),
                       .heads = c.heads,
                       .head_dim = c.head_dim,
                       .latent_channels = c.in_channels,
                       .patch_size = c.patch_size,
                       .skips_padding = true,
                       .block_costs = pixart_block_costs(c)};
  add_mlp(work.every_stage, PixArtConfig::kTimeChannels, c.width(), Rows::kSteps,
          /*quantizes=*/false);
  work.every_stage.once.push_back({.in = c.width(),
                                   .out = PixArtConfig::kModulations * c.width(),
                                   .rows = Rows::kSteps,
                                   .cut = Cut::kOut,
                                   .gathers = true});
  add_mlp(work.every_stage, c.caption_channels, c.width(), Rows::kAllText, /*quantizes=*/true);
  work.first.every = {{.in = c.patch_size * c.patch_size * c.in_channels,
                       .out = c.width(),
                       .rows = Rows::kAllImage,
                       .quantizes = false}};
  for (int64_t i = 0; i < c.num_layers; ++i) work.blocks.push_back(block(c, i));
  work.last.every = {
      {.in = c.width(), .out = c.patch_out(), .rows = Rows::kImage, .quantizes = false}};
  work.last.vector_elements = 2 * c.width();
  return work;
}

}  // namespace trireme
