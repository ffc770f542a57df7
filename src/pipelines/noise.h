// The noise a sample starts from. It depends on the sample's seed and size alone: drawn in float32 on
// the host, whatever rank, batch, dtype or device goes on with it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace trireme {

// As torch.randn with torch.Generator("cpu").manual_seed(seed): float32 [1, channels, height, width]
at::Tensor initial_noise(uint64_t seed, int64_t channels, int64_t height, int64_t width);

}  // namespace trireme
