// The work of a VAE's decoder as plain numbers for a plan (parallel/plan), read from its config
// alone.
#pragma once

#include "parallel/plan/workload.h"
#include "src/vae/vae_config.h"

namespace trireme {

// `tiles`: whether pictures larger than a tile are decoded in tiles.
VaeWork vae_work(const VaeConfig& config, bool tiles);

}  // namespace trireme
