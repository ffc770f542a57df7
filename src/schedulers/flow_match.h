// Flow-matching schedules of Stable Diffusion 3: Euler (FlowMatchEulerDiscreteScheduler) and Heun
// (FlowMatchHeunDiscreteScheduler). The model predicts the velocity dx/dsigma.
// Grid: u from 1 down to sigma_min, where sigma_min = f(1/1000) already went through the shift
// f(s) = shift s / (1 + (shift - 1) s); then sigma = f(u). So the lowest level is shifted twice,
// and so are custom sigmas once. With a dynamic shift mu the grid starts from 1/1000 unshifted, and
// sigma = e^mu / (e^mu + 1/u - 1) (exponential) or mu / (mu + 1/u - 1) (linear). The model sees
// t = 1000 sigma.
#pragma once

#include "src/schedulers/schedule.h"

namespace trireme {

// x' = x + (sigma' - sigma) v; stochastic: x' = (1 - sigma') (x - sigma v) + sigma' noise.
Schedule flow_match_euler_schedule(const SchedulerConfig& config, const ScheduleRequest& request);

// Two calls an interval, x' = x + (sigma' - sigma) (v + v') / 2, but the last is Euler's: 2N - 1.
Schedule flow_match_heun_schedule(const SchedulerConfig& config, const ScheduleRequest& request);

}  // namespace trireme
