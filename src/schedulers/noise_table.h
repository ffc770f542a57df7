// The variance-preserving noise schedule of DDPM-like models: the cumulative products of 1 - beta,
// made by the same float32 operations as diffusers makes them, so that the bits agree on one kind
// of CPU. (They differ between vector and scalar units: ranks of unlike CPUs should share one.)
#pragma once

#include <vector>

#include "src/schedulers/scheduler_config.h"

namespace trireme {

struct NoiseTable {
  std::vector<float> alphas_cumprod;  // [num_train_timesteps], descending
  std::vector<float> sigmas;          // sqrt((1 - a) / a), ascending
};

// From trained_betas, or beta_schedule (linear, scaled_linear, squaredcos_cap_v2) between
// beta_start and beta_end; rescaled if rescale_betas_zero_snr. `keep_last_positive`: then the last
// product becomes 2^-24 instead of 0, for solvers that divide by it.
NoiseTable noise_table(const SchedulerConfig& config, bool keep_last_positive);

}  // namespace trireme
