// Spacings of noise levels, in the double precision and with the rounding of the NumPy calls that
// diffusers makes: the tables come out with its bits. Functions of numbers alone; one point is the
// first end of a spacing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "src/schedulers/scheduler_config.h"

namespace trireme {

// n points from start to stop, both ends exact; n = 1 gives start.
std::vector<double> linspace(double start, double stop, int64_t n);

// The "trailing" timesteps: start, start - step, ... while above zero, each rounded, less one.
// Rounding of the steps can give one more than start / step, of -1; so it does in diffusers.
std::vector<double> trailing_timesteps(double start, double step);

// The table's value at a fractional index; beyond the ends the end's value (numpy.interp).
double interpolate(double at, const std::vector<float>& table);

// The fractional index at which an ascending table of log sigmas holds log(sigma).
double timestep_of_sigma(double sigma, const std::vector<float>& log_sigmas);
std::vector<double> timesteps_of_sigmas(const std::vector<double>& sigmas,
                                        const std::vector<float>& log_sigmas);

// float32 logarithms, correctly rounded.
std::vector<float> logarithms(const std::vector<float>& values);

std::vector<double> rounded(std::vector<double> values);    // half to even
std::vector<double> truncated(std::vector<double> values);  // towards zero, as int64 casts do

// n sigmas from `first` down to `last`.
// Karras et al. 2022 (arXiv 2206.00364), eq. 5: equal steps of sigma^(1/7).
std::vector<double> karras_sigmas(double first, double last, int64_t n);
// Equal steps of log sigma.
std::vector<double> exponential_sigmas(double first, double last, int64_t n);
// Lee et al. 2024 (arXiv 2407.12173): quantiles of the Beta(0.6, 0.6) distribution.
std::vector<double> beta_sigmas(double first, double last, int64_t n);

// The one of the three that the configuration asks for (use_karras_sigmas, use_exponential_sigmas,
// use_beta_sigmas), between `first` and `last` or the configuration's own sigma_max and sigma_min;
// none asked for: none. Two asked for: Error(kBadJob).
std::optional<std::vector<double>> respaced_sigmas(const SchedulerConfig& config, double first,
                                                   double last, int64_t n);
bool asks_for_respacing(const SchedulerConfig& config);

// sigma' = shift sigma / (1 + (shift - 1) sigma): Esser et al. 2024 (arXiv 2403.03206), eq. 23.
template <class Real>
Real shifted(Real sigma, double shift) {
  return static_cast<Real>(shift) * sigma / (Real{1} + static_cast<Real>(shift - 1) * sigma);
}

}  // namespace trireme
