// T5Config: the shape of a T5 v1.1 encoder, as its config.json gives it.
#pragma once

#include <cstdint>

#include "src/nn/activations.h"
#include "src/weights/component_config.h"

namespace trireme {

struct T5Config {
  int64_t vocab = 0;
  int64_t width = 0;
  int64_t hidden = 0;  // of the feed-forward network
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;  // heads x head_dim need not be the width
  int64_t buckets = 32;  // of relative positions
  int64_t max_distance = 128;
  double norm_eps = 1e-6;
  Activation activation = Activation::kGeluTanh;

  int64_t attention_width() const { return heads * head_dim; }

  // Error (kBadData) names the file and the key that is missing or does not fit; T5 v1.0, whose
  // feed-forward network has no gate, is refused.
  static T5Config read(const ComponentConfig& config);
};

}  // namespace trireme
