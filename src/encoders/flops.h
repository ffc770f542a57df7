// FLOPs (parallel/flops.h) of the text encoders for one text, as one rank of a tensor group does
// them: from numbers alone, for what runs and for what is only planned.
#pragma once

#include <cstdint>

#include "parallel/coordinates.h"
#include "src/encoders/clip_config.h"
#include "src/encoders/t5_config.h"

namespace trireme {

// Padding counts: it is encoded like text. The pooled vector's projection is one row, which every
// rank makes.
int64_t clip_flops(const ClipConfig& config, int64_t tokens, const Coordinate& tensor = {});
int64_t t5_flops(const T5Config& config, int64_t tokens, const Coordinate& tensor = {});

}  // namespace trireme
