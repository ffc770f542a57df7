#include "src/schedulers/flow_match.h"

#include <fmt/format.h>

#include <cmath>

#include "parallel/error.h"
#include "src/schedulers/sigmas.h"

namespace trireme {
namespace {

float train_steps(const SchedulerConfig& config) {
  return static_cast<float>(config.integer("num_train_timesteps", 1000));
}

std::vector<double> default_sigmas(const SchedulerConfig& config, int64_t steps, bool shift_ends) {
  const float train = train_steps(config);
  const double shift = config.number("shift", 1);
  const auto end = [&](float sigma) { return double{shift_ends ? shifted(sigma, shift) : sigma}; };
  auto sigmas = linspace(end(train / train) * train, end(1 / train) * train, steps);
  for (double& sigma : sigmas) sigma /= train;
  return sigmas;
}

// Everything up to float32, in the precision of the list: double for the scheduler's own grid,
// float for custom values.
template <class Real>
std::vector<Real> shift_all(const SchedulerConfig& config, std::vector<Real> sigmas,
                            std::optional<double> mu) {
  const bool dynamic = config.flag("use_dynamic_shifting");
  const auto kind = config.choice("time_shift_type", {"exponential", "linear"}, "exponential");
  if (dynamic && !mu) {
    config.refuse("use_dynamic_shifting", "needs the image's size",
                  "a pipeline that gives its scheduler no shift");
  }
  const Real scale = static_cast<Real>(dynamic ? (kind == "linear" ? *mu : std::exp(*mu)) : 0);
  const double shift = config.number("shift", 1);
  for (Real& sigma : sigmas) {
    sigma = dynamic ? scale / (scale + (1 / sigma - 1)) : shifted(sigma, shift);
  }
  const double terminal = config.optional_number("shift_terminal").value_or(0);
  if (terminal == 0) return sigmas;
  const Real factor = (1 - sigmas.back()) / static_cast<Real>(1 - terminal);
  for (Real& sigma : sigmas) sigma = 1 - (1 - sigma) / factor;
  return sigmas;
}

template <class Real>
std::vector<float> finished(const SchedulerConfig& config, const std::vector<Real>& given,
                            std::optional<double> mu) {
  const auto sigmas = shift_all(config, given, mu);
  const auto respaced =
      respaced_sigmas(config, sigmas.front(), sigmas.back(), static_cast<int64_t>(sigmas.size()));
  return respaced ? std::vector<float>(respaced->begin(), respaced->end())
                  : std::vector<float>(sigmas.begin(), sigmas.end());
}

std::vector<float> euler_sigmas(const SchedulerConfig& config, const ScheduleRequest& request) {
  const auto mu = dynamic_shift(config, request);
  if (request.sigmas.empty() && request.timesteps.empty()) {
    const bool shift_ends = !config.flag("use_dynamic_shifting");
    return finished(config, default_sigmas(config, request.steps, shift_ends), mu);
  }
  if (!request.sigmas.empty()) {
    return finished(config, std::vector<float>(request.sigmas.begin(), request.sigmas.end()), mu);
  }
  std::vector<float> sigmas(request.timesteps.begin(), request.timesteps.end());
  for (float& sigma : sigmas) sigma /= train_steps(config);
  return finished(config, sigmas, mu);
}

StepRule velocity_rule(double sigma, double next, bool stochastic) {
  if (!stochastic) return {.prediction = next - sigma};
  return {.sample = 1 - next, .prediction = -(1 - next) * sigma, .noise = next};
}

}  // namespace

Schedule flow_match_euler_schedule(const SchedulerConfig& config, const ScheduleRequest& request) {
  const auto& given = request.timesteps;
  if (!given.empty() && !request.sigmas.empty() && given.size() != request.sigmas.size()) {
    throw Error(Exit::kBadJob,
                fmt::format("[sampling.timesteps] {} values -> must be as many as the "
                            "{} sigmas -> a value too many or too few?",
                            given.size(), request.sigmas.size()));
  }
  std::vector<float> sigmas = euler_sigmas(config, request);
  const bool invert = config.flag("invert_sigmas");
  Schedule schedule{.needs_noise = config.flag("stochastic_sampling")};
  for (size_t i = 0; i < sigmas.size(); ++i) {
    if (invert) sigmas[i] = 1 - sigmas[i];
    const bool own = given.empty() || invert;
    schedule.timesteps.push_back(own ? sigmas[i] * train_steps(config)
                                     : static_cast<float>(given[i]));
  }
  sigmas.push_back(invert ? 1.0F : 0.0F);
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    schedule.rules.push_back(velocity_rule(sigmas[i], sigmas[i + 1], schedule.needs_noise));
  }
  schedule.sigmas.assign(sigmas.begin(), sigmas.end());
  return schedule;
}

Schedule flow_match_heun_schedule(const SchedulerConfig& config, const ScheduleRequest& request) {
  Schedule schedule{.history = 2};
  const auto grid = default_sigmas(config, request.steps, true);
  for (size_t i = 0; i < grid.size(); ++i) {
    const auto sigma = static_cast<float>(shifted(grid[i], config.number("shift", 1)));
    for (int copy = i == 0 ? 1 : 0; copy < 2; ++copy) {
      schedule.sigmas.push_back(sigma);
      schedule.timesteps.push_back(sigma * train_steps(config));
    }
  }
  schedule.sigmas.push_back(0);
  for (size_t i = 0; i < schedule.timesteps.size(); ++i) {
    const bool second = i % 2 == 1;
    const double step = second ? schedule.sigmas[i] - schedule.sigmas[i - 1]
                               : schedule.sigmas[i + 1] - schedule.sigmas[i];
    StepRule rule{.sets_anchor = !second, .from_anchor = second};
    rule.estimates =
        second ? std::array<double, 3>{step / 2, step / 2, 0} : std::array<double, 3>{step, 0, 0};
    schedule.rules.push_back(rule);
  }
  return schedule;
}

}  // namespace trireme
