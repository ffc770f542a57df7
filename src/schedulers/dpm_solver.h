// DPMSolverMultistepScheduler: DPM-Solver (Lu et al. 2022, arXiv 2206.00927) and DPM-Solver++ (Lu
// et al. 2022, arXiv 2211.01095) of orders 1 to 3, with their SDE variants. PixArt-Sigma's default.
// With sigma the noise level, alpha = 1 / sqrt(sigma^2 + 1) and s = alpha sigma (flow sigmas: alpha
// = 1 - sigma, s = sigma), lambda = ln alpha - ln s, h = lambda' - lambda, m the estimated clean
// sample, phi = exp(-h) - 1:
//   first order   x' = (s'/s) x - alpha' phi m
//   second order  ... - alpha' phi D / 2 (midpoint), or + alpha' (phi / h + 1) D (heun),
//                 where D = (m - m_previous) h / h_previous.
// The last step to sigma = 0 has h = infinity and is first order: x' = m.
#pragma once

#include "src/schedulers/schedule.h"

namespace trireme {

Schedule dpm_solver_schedule(const SchedulerConfig& config, const ScheduleRequest& request);

}  // namespace trireme
