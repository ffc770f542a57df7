// Decoding in tiles, as diffusers' enable_vae_tiling does it: overlapping pieces of the latents are
// decoded each by itself and faded into each other. Memory no longer grows with the picture, but it
// is another picture: a tile's norms and attention see nothing beyond its edges. Bands
// (parallel/layers/bands.h) make the exact one.
#pragma once

#include <ATen/ATen.h>

#include <functional>

#include "src/vae/vae_config.h"

namespace trireme {

// latents [1, channels, h, w] -> what `decode` makes of the tiles, put together:
// [1, 3, 8h, 8w] for a decoder that makes 8 pixels of a latent
at::Tensor decode_in_tiles(const at::Tensor& latents, const VaeConfig& config,
                           const std::function<at::Tensor(const at::Tensor&)>& decode);

}  // namespace trireme
