// EulerDiscreteScheduler over the variance-exploding sample x = clean + sigma noise. The model sees
// x / sqrt(sigma^2 + 1); x' = x + (x - clean) (sigma' - sigma) / sigma. The first noise is as large
// as the first sigma (init_noise_sigma).
#pragma once

#include "src/schedulers/schedule.h"

namespace trireme {

// Custom sigmas include the last one (0 as a rule): N + 1 of them make N steps.
Schedule euler_schedule(const SchedulerConfig& config, const ScheduleRequest& request);

}  // namespace trireme
