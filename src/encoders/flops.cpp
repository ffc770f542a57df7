#include "src/encoders/flops.h"

#include "parallel/flops.h"

namespace trireme {

int64_t clip_flops(const ClipConfig& c, int64_t tokens, const Coordinate& tensor) {
  const auto channels = tensor.share(c.width, c.head_dim()), hidden = tensor.share(c.hidden);
  const auto layer = linear_flops(tokens, c.width, 3 * channels) +
                     linear_flops(tokens, channels, c.width) +
                     attention_flops(tokens, tokens, channels) +
                     linear_flops(tokens, c.width, hidden) + linear_flops(tokens, hidden, c.width);
  return c.layers * layer + linear_flops(/*rows=*/1, c.width, c.projection);
}

int64_t t5_flops(const T5Config& c, int64_t tokens, const Coordinate& tensor) {
  const auto channels = tensor.share(c.attention_width(), c.head_dim);
  const auto hidden = tensor.share(c.hidden);
  const auto layer = linear_flops(tokens, c.width, 3 * channels) +
                     linear_flops(tokens, channels, c.width) +
                     attention_flops(tokens, tokens, channels) +
                     linear_flops(tokens, c.width, 2 * hidden) +  // gate and up
                     linear_flops(tokens, hidden, c.width);
  return c.layers * layer;
}

}  // namespace trireme
