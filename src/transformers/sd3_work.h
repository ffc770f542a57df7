// The work of a Stable Diffusion 3 transformer as plain numbers for a plan (parallel/plan), read
// from its config alone.
#pragma once

#include "parallel/plan/workload.h"
#include "src/transformers/sd3_config.h"

namespace trireme {

TransformerWork sd3_work(const Sd3Config& config);

}  // namespace trireme
