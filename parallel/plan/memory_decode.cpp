// What decoding a picture takes: the planes of the largest level (src/vae).
#include <algorithm>

#include "parallel/layers/band_rows.h"
#include "parallel/plan/memory_parts.h"

namespace trireme {
namespace {

constexpr int64_t kFloat = 4;
constexpr int64_t kHalfScratch = 160 << 10;  // oneDNN's for a convolution of half types, measured

struct Decode {
  const VaeWork& vae;
  BandRows rows;
  int64_t width;  // latents
  int64_t element;
  bool on_cpu;

  int64_t plane(int64_t channels, int64_t factor) const {
    return channels * rows.held(factor) * width * factor * element;
  }

  // Beside what goes in: what comes out, and what it is made with.
  int64_t convolution(const Convolution& c) const {
    const auto out = plane(c.out, c.factor * (c.doubles ? 2 : 1));
    if (c.kernel == 1) return out;
    if (is_winograd(c, element, on_cpu)) return out + strips(c);
    if (!on_cpu) return out + (c.doubles ? 4 * plane(c.out, c.factor) : 0);
    return (c.doubles ? out : 0) + direct(c.in, (c.doubles ? 4 : 1) * c.out, c.factor);
  }
  // oneDNN's own layouts of the image and of what comes out, channels by sixteen.
  int64_t direct(int64_t in, int64_t out, int64_t factor) const {
    const auto padded = [](int64_t channels) { return (channels + 15) / 16 * 16; };
    const auto scratch = element == kFloat ? 0 : kHalfScratch;
    return plane(padded(out), factor) + std::max(plane(padded(in), factor), plane(out, factor)) +
           scratch;
  }
  // Tiles and products of as many rows as stay in the cache (src/nn/winograd.cpp).
  int64_t strips(const Convolution& c) const {
    constexpr int64_t kStripFloats = 4 << 20;
    const int64_t stride = c.doubles ? 1 : 2, products = c.doubles ? 9 : 16;
    const auto tiles = [&](int64_t n) { return (n + stride - 1) / stride; };
    const auto row = products * (c.in + c.out) * tiles(width * c.factor);
    const auto count = std::clamp<int64_t>(kStripFloats / std::max<int64_t>(row, 1), 1,
                                           std::max<int64_t>(1, tiles(rows.held(c.factor))));
    return count * row * element;
  }

  int64_t resnet(int64_t in, int64_t out, int64_t f) const {
    const auto first = plane(in, f) + convolution({.in = in, .out = out, .factor = f});
    const auto second = plane(out, f) + convolution({.in = out, .out = out, .factor = f});
    return plane(in, f) + std::max({first, second, 2 * plane(out, f)});
  }
  // Normed pixels, queries with keys and values, what they have seen, and the sum.
  int64_t attention(int64_t channels) const { return 8 * plane(channels, 1); }

  int64_t most() const {
    auto channels = vae.channels.back();
    int64_t most = std::max(resnet(channels, channels, 1),
                            vae.attention_channels > 0 ? attention(channels) : 0);
    int64_t factor = 1;
    for (auto level = vae.channels.size(); level-- > 0;) {
      const auto out = vae.channels[level];
      most = std::max(most, resnet(channels, out, factor));
      if (vae.layers_per_block > 0) most = std::max(most, resnet(out, out, factor));
      channels = out;
      if (level == 0) break;
      const Convolution doubling{.in = out, .out = out, .factor = factor, .doubles = true};
      most = std::max(most, plane(out, factor) + convolution(doubling));
      factor *= 2;
    }
    const Convolution to_image{.in = channels, .out = 3, .factor = factor};
    return std::max({most, 2 * plane(channels, factor),
                     plane(channels, factor) + convolution(to_image), 4 * plane(3, factor)});
  }
};

}  // namespace

StageMemory decode_memory(const Post& post) {
  const auto place = place_among(post.layout.vae, post.rank);
  if (!place || !post.work.vae) return {};
  const auto& vae = *post.work.vae;
  const auto& shape = post.shape();
  const bool tiles = vae.tiles && std::max(shape.latent_height, shape.latent_width) > vae.tile_side;
  const auto height = tiles ? std::min(shape.latent_height, vae.tile_side) : shape.latent_height;
  const auto width = tiles ? std::min(shape.latent_width, vae.tile_side) : shape.latent_width;
  const Decode decode{vae, BandRows(height, tiles ? Coordinate{} : *place), width, post.element(),
                      post.on_cpu};
  const auto waiting = recent_texts(post) + waiting_latents(post) + other_batches(post);
  return {.weights = vae_weights(vae, post.element(), post.on_cpu),
          .activations = decode.most() + 2 * latent_bytes(post, post.samples()) + waiting};
}

}  // namespace trireme
