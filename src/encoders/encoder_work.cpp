#include "src/encoders/encoder_work.h"

namespace trireme {
namespace {

struct LayerShape {
  int64_t width = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t gates = 1;  // products of equal shape that go into the feed-forward network
  bool bias = true;
};

Layer layer(const LayerShape& s) {
  const auto channels = s.heads * s.head_dim;
  Layer layer;
  layer.every = {
      {.in = s.width,
       .out = channels,
       .rows = Rows::kText,
       .cut = Cut::kOut,
       .unit = s.head_dim,
       .parts = 3,
       .bias = s.bias},
      {.in = channels,
       .out = s.width,
       .rows = Rows::kText,
       .cut = Cut::kIn,
       .unit = s.head_dim,
       .bias = s.bias},
      {.in = s.width,
       .out = s.hidden,
       .rows = Rows::kText,
       .cut = Cut::kOut,
       .parts = s.gates,
       .bias = s.bias},
      {.in = s.hidden, .out = s.width, .rows = Rows::kText, .cut = Cut::kIn, .bias = s.bias}};
  layer.attention = {{.sees = Sees::kText, .heads = s.heads, .head_dim = s.head_dim}};
  return layer;
}

}  // namespace

EncoderWork clip_work(const ClipConfig& c, const std::string& name, int64_t tokens) {
  EncoderWork work{.name = name,
                   .tokens = tokens,
                   .width = c.width,
                   .vocab = c.vocab,
                   .cuts_vocab = true,
                   .layers = c.layers};
  work.layer =
      layer({.width = c.width, .hidden = c.hidden, .heads = c.heads, .head_dim = c.head_dim()});
  work.layer.vector_elements = 2 * 2 * c.width;  // two norms with scale and shift
  work.rest.every = {{.in = c.width,
                      .out = c.projection,
                      .rows = Rows::kSamples,
                      .bias = false,
                      .quantizes = false}};
  work.rest.vector_elements = c.positions * c.width + 2 * c.width;  // and the final norm
  return work;
}

EncoderWork t5_work(const T5Config& c, const std::string& name, int64_t tokens) {
  EncoderWork work{.name = name,
                   .tokens = tokens,
                   .width = c.width,
                   .vocab = c.vocab,
                   .cuts_vocab = true,
                   .quantizes_vocab = true,
                   .layers = c.layers,
                   .gated = true,
                   .buckets = c.buckets};
  work.layer = layer({.width = c.width,
                      .hidden = c.hidden,
                      .heads = c.heads,
                      .head_dim = c.head_dim,
                      .gates = 2,
                      .bias = false});
  work.layer.vector_elements = 2 * c.width;  // two norms with a scale
  work.rest.vector_elements = c.width;
  return work;
}

}  // namespace trireme
