// FLOPs (parallel/flops.h) of decoding one sample, as one rank of a patch group does it: from
// numbers alone, for what runs and for what is only planned.
#pragma once

#include <cstdint>

#include "parallel/coordinates.h"
#include "src/vae/vae_config.h"

namespace trireme {

// Of latents height x width. In bands a rank counts its rows and what it makes again at their
// edges; in tiles (of an image that needs them) it counts them all, overlaps included: they are
// not shared out.
int64_t vae_flops(const VaeConfig& config, int64_t height, int64_t width,
                  const Coordinate& patch = {}, bool tiling = false);

}  // namespace trireme
