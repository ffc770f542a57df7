// ClipConfig: the shape of a CLIP text encoder, as its config.json gives it. SD3's two encoders,
// CLIP-L and OpenCLIP bigG, differ in nothing else.
#pragma once

#include <cstdint>

#include "src/nn/activations.h"
#include "src/weights/component_config.h"

namespace trireme {

struct ClipConfig {
  int64_t vocab = 0;
  int64_t positions = 0;  // the longest text
  int64_t width = 0;
  int64_t hidden = 0;  // of the feed-forward network
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t projection = 0;  // width of the pooled vector
  int64_t eos = 0;
  double norm_eps = 1e-5;
  Activation activation = Activation::kQuickGelu;

  int64_t head_dim() const { return width / heads; }

  // Error (kBadData) names the file and the key that is missing or does not fit.
  static ClipConfig read(const ComponentConfig& config);
};

}  // namespace trireme
