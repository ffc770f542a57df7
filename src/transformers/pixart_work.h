// The work of a PixArt-Sigma transformer as plain numbers for a plan (parallel/plan), read from its
// config alone.
#pragma once

#include "parallel/plan/workload.h"
#include "src/transformers/pixart_config.h"

namespace trireme {

TransformerWork pixart_work(const PixArtConfig& config);

}  // namespace trireme
