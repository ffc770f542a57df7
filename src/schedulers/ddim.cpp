#include "src/schedulers/ddim.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/error.h"
#include "src/schedulers/noise_table.h"
#include "src/schedulers/sigmas.h"

namespace trireme {
namespace {

std::vector<double> ddim_timesteps(const SchedulerConfig& config, int64_t steps) {
  const int64_t train = config.integer("num_train_timesteps", 1000);
  const auto spacing =
      config.choice("timestep_spacing", {"linspace", "leading", "trailing"}, "leading");
  if (spacing == "trailing") {
    const auto first = static_cast<double>(train);
    return trailing_timesteps(first, first / static_cast<double>(steps));
  }
  const bool whole = spacing == "linspace";
  auto timesteps = rounded(
      linspace(0, static_cast<double>(whole ? train - 1 : train / steps * (steps - 1)), steps));
  std::reverse(timesteps.begin(), timesteps.end());
  if (!whole) {
    for (double& t : timesteps) t += static_cast<double>(config.integer("steps_offset", 0));
  }
  return timesteps;
}

// The product at a timestep; -1, to which the trailing spacing can round, counts from the end as
// Python does.
float product_at(const SchedulerConfig& config, const NoiseTable& table, int64_t timestep) {
  const auto size = static_cast<int64_t>(table.alphas_cumprod.size());
  const int64_t index = timestep < 0 ? timestep + size : timestep;
  if (index < 0 || index >= size) {
    config.refuse("steps_offset", fmt::format("must keep timestep {} below {}", timestep, size),
                  "more steps than leave room for the offset");
  }
  return table.alphas_cumprod[static_cast<size_t>(index)];
}

// From the products a here and a' after the step.
StepRule ddim_rule(const std::string& prediction, float a, float next) {
  const double signal = std::sqrt(a);
  const double noise = std::sqrt(1 - a);
  Blend clean{1 / signal, -noise / signal};  // both of sample and prediction
  Blend added{0, 1};
  if (prediction == "sample") {
    clean = {0, 1};
    added = {1 / noise, -signal / noise};
  } else if (prediction == "v_prediction") {
    clean = {signal, -noise};
    added = {noise, signal};
  }
  const double next_noise = std::sqrt(1 - next);
  return {.estimate = clean,
          .sample = next_noise * added.sample,
          .prediction = next_noise * added.other,
          .estimates = {std::sqrt(next), 0, 0}};
}

Limit read_limit(const SchedulerConfig& config) {
  if (config.flag("thresholding")) {
    return {.kind = Limit::Kind::kQuantile,
            .maximum = config.number("sample_max_value", 1),
            .quantile = config.number("dynamic_thresholding_ratio", 0.995)};
  }
  if (!config.flag("clip_sample", true)) return {};
  return {.kind = Limit::Kind::kClamp, .maximum = config.number("clip_sample_range", 1)};
}

}  // namespace

Schedule ddim_schedule(const SchedulerConfig& config, const ScheduleRequest& request) {
  const int64_t train = config.integer("num_train_timesteps", 1000);
  if (request.steps > train) {
    throw Error(Exit::kBadJob,
                fmt::format("[sampling.num_inference_steps] {} -> must be at most the "
                            "{} timesteps of DDIMScheduler -> a slip?",
                            request.steps, train));
  }
  const auto prediction =
      config.choice("prediction_type", {"epsilon", "sample", "v_prediction"}, "epsilon");
  const NoiseTable table = noise_table(config, false);
  const float last = config.flag("set_alpha_to_one", true) ? 1 : table.alphas_cumprod.front();
  Schedule schedule{.timesteps = ddim_timesteps(config, request.steps),
                    .history = 1,
                    .limit = read_limit(config)};
  for (double t : schedule.timesteps) {
    const auto timestep = static_cast<int64_t>(t);
    const int64_t next = timestep - train / request.steps;
    schedule.rules.push_back(ddim_rule(prediction, product_at(config, table, timestep),
                                       next < 0 ? last : product_at(config, table, next)));
  }
  return schedule;
}

}  // namespace trireme
