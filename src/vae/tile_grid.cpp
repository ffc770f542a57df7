#include "src/vae/tile_grid.h"

#include <algorithm>

namespace trireme {
namespace {

constexpr double kOverlap = 0.25;  // of a tile

}  // namespace

TileSides::TileSides(const VaeConfig& c)
    : pixels(c.sample_size),
      latents(c.sample_size / c.upscale()),
      stride(static_cast<int64_t>(static_cast<double>(latents) * (1 - kOverlap))),
      fade(static_cast<int64_t>(static_cast<double>(pixels) * kOverlap)) {}

bool needs_tiles(int64_t height, int64_t width, const VaeConfig& config) {
  return std::max(height, width) > TileSides(config).latents;
}

std::vector<Part> tiles_along(int64_t latents, const VaeConfig& config) {
  const TileSides sides(config);
  std::vector<Part> tiles;
  for (int64_t from = 0; from < latents; from += sides.stride)
    tiles.push_back({from, std::min(sides.latents, latents - from)});
  return tiles;
}

}  // namespace trireme
