// DDIMScheduler (Song et al. 2020, arXiv 2010.02502), without added noise (eta = 0). With a the
// cumulative product of 1 - beta at a timestep: clean = (x - sqrt(1 - a) noise) / sqrt(a), clamped
// to +-1 unless clip_sample is false; x' = sqrt(a') clean + sqrt(1 - a') noise, where the noise is
// the model's, not recomputed from the clamped sample. After the last step a' = 1.
#pragma once

#include "src/schedulers/schedule.h"

namespace trireme {

Schedule ddim_schedule(const SchedulerConfig& config, const ScheduleRequest& request);

}  // namespace trireme
