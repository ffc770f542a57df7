// Where the tiles of an image lie (tiles.h), as numbers: sides as diffusers rounds them.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/split.h"
#include "src/vae/vae_config.h"

namespace trireme {

struct TileSides {
  explicit TileSides(const VaeConfig& config);

  int64_t pixels, latents;
  int64_t stride;  // latents from one tile to the next
  int64_t fade;    // pixels in which one tile becomes the next
};

// Whether an image of such latents is larger than a tile: a smaller one is decoded whole.
bool needs_tiles(int64_t height, int64_t width, const VaeConfig& config);
// The tiles along a side of so many latents. They overlap; the last ones are cut by the end.
std::vector<Part> tiles_along(int64_t latents, const VaeConfig& config);

}  // namespace trireme
