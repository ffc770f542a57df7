// The work of a text encoder as plain numbers for a plan (parallel/plan), read from its config
// alone.
#pragma once

#include <string>

#include "parallel/plan/workload.h"
#include "src/encoders/clip_config.h"
#include "src/encoders/t5_config.h"

namespace trireme {

// `name`: diffusers' component. `tokens`: of a text with its padding.
EncoderWork clip_work(const ClipConfig& config, const std::string& name, int64_t tokens);
EncoderWork t5_work(const T5Config& config, const std::string& name, int64_t tokens);

}  // namespace trireme
