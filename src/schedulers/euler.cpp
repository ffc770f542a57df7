#include "src/schedulers/euler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "parallel/error.h"
#include "src/schedulers/noise_table.h"
#include "src/schedulers/sigmas.h"

namespace trireme {
namespace {

struct EulerGrid {
  std::vector<double> timesteps;
  std::vector<float> sigmas;  // with the last
};

std::vector<double> euler_timesteps(const SchedulerConfig& config, int64_t steps) {
  const int64_t train = config.integer("num_train_timesteps", 1000);
  const auto spacing =
      config.choice("timestep_spacing", {"linspace", "leading", "trailing"}, "linspace");
  if (spacing == "trailing") {
    const auto first = static_cast<double>(train);
    return trailing_timesteps(first, first / static_cast<double>(steps));
  }
  const bool whole = spacing == "linspace";
  auto timesteps =
      linspace(0, static_cast<double>(whole ? train - 1 : train / steps * (steps - 1)), steps);
  std::reverse(timesteps.begin(), timesteps.end());
  for (double& t : timesteps) {
    t = static_cast<float>(t);
    if (!whole) t += static_cast<double>(config.integer("steps_offset", 0));
  }
  return timesteps;
}

// Equal steps of log sigma, in float32 as torch spaces them; one more than there are steps.
std::vector<double> log_spaced(const NoiseTable& table, int64_t steps) {
  const auto logs = logarithms({table.sigmas.back(), table.sigmas.front()});
  const at::Tensor sigmas = at::linspace(logs[0], logs[1], steps + 1, at::kFloat).exp();
  const float* values = sigmas.data_ptr<float>();
  return {values, values + sigmas.numel()};
}

EulerGrid own_grid(const SchedulerConfig& config, const ScheduleRequest& request,
                   const NoiseTable& table) {
  const bool custom = !request.timesteps.empty();
  EulerGrid grid;
  for (double t : custom ? request.timesteps : euler_timesteps(config, request.steps)) {
    grid.timesteps.push_back(static_cast<float>(t));
  }
  const auto steps = custom ? static_cast<int64_t>(grid.timesteps.size()) : request.steps;
  std::vector<double> sigmas;
  const auto kind = config.choice("interpolation_type", {"linear", "log_linear"}, "linear");
  if (kind == "linear") {
    for (double t : grid.timesteps) sigmas.push_back(interpolate(t, table.sigmas));
  } else {
    sigmas = log_spaced(table, steps);
  }
  if (const auto respaced = respaced_sigmas(config, sigmas.front(), sigmas.back(), steps)) {
    sigmas = *respaced;
    grid.timesteps = timesteps_of_sigmas(sigmas, logarithms(table.sigmas));
  }
  const bool to_zero = config.choice("final_sigmas_type", {"zero", "sigma_min"}, "zero") == "zero";
  grid.sigmas.assign(sigmas.begin(), sigmas.end());
  grid.sigmas.push_back(to_zero ? 0 : table.sigmas.front());
  return grid;
}

EulerGrid custom_grid(const ScheduleRequest& request, const NoiseTable& table) {
  EulerGrid grid{.timesteps = {}, .sigmas = {request.sigmas.begin(), request.sigmas.end()}};
  grid.timesteps =
      timesteps_of_sigmas({grid.sigmas.begin(), grid.sigmas.end() - 1}, logarithms(table.sigmas));
  return grid;
}

// EDM's time, ln(sigma) / 4.
std::vector<double> continuous_timesteps(const std::vector<float>& sigmas) {
  const at::Tensor times =
      0.25 * at::tensor(at::ArrayRef<float>(sigmas.data(), sigmas.size() - 1), at::kFloat).log();
  const float* values = times.data_ptr<float>();
  return {values, values + times.numel()};
}

// clean = sample * blend.sample + prediction * blend.other; x' = x + (x - clean) dt / sigma.
StepRule euler_rule(const std::string& prediction, double sigma, double next) {
  const double square = sigma * sigma + 1;
  Blend clean{1, -sigma};
  if (prediction == "v_prediction") clean = {1 / square, -sigma / std::sqrt(square)};
  if (prediction.ends_with("sample")) clean = {0, 1};
  const double ratio = (next - sigma) / sigma;
  return {.input_scale = 1 / std::sqrt(square),
          .sample = 1 + (1 - clean.sample) * ratio,
          .prediction = -clean.other * ratio};
}

void check_euler(const SchedulerConfig& config, const ScheduleRequest& request, bool continuous) {
  if (!request.sigmas.empty() && !request.timesteps.empty()) {
    throw Error(Exit::kBadJob,
                "[sampling.timesteps] both timesteps and sigmas -> must be one of "
                "them -> the other follows from it");
  }
  if (request.timesteps.empty()) return;
  for (const auto* field : {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"}) {
    if (config.flag(field)) {
      config.refuse(field, "must be false with custom timesteps", "it makes its own timesteps");
    }
  }
  if (continuous) {
    config.refuse("timestep_type", "must be discrete with custom timesteps and v_prediction",
                  "continuous times follow from the noise levels");
  }
}

}  // namespace

Schedule euler_schedule(const SchedulerConfig& config, const ScheduleRequest& request) {
  const auto prediction = config.choice(
      "prediction_type", {"epsilon", "sample", "original_sample", "v_prediction"}, "epsilon");
  const bool continuous =
      config.choice("timestep_type", {"discrete", "continuous"}, "discrete") == "continuous" &&
      prediction == "v_prediction";
  check_euler(config, request, continuous);
  const NoiseTable table = noise_table(config, true);
  const EulerGrid grid =
      request.sigmas.empty() ? own_grid(config, request, table) : custom_grid(request, table);
  const std::vector<float>& sigmas = grid.sigmas;
  const auto times = continuous ? continuous_timesteps(sigmas) : grid.timesteps;
  Schedule schedule{.sigmas = {sigmas.begin(), sigmas.end()}};
  for (size_t i = 0; i < times.size(); ++i) {
    schedule.timesteps.push_back(static_cast<float>(times[i]));
    schedule.rules.push_back(euler_rule(prediction, sigmas[i], sigmas[i + 1]));
  }
  const auto spacing =
      config.choice("timestep_spacing", {"linspace", "leading", "trailing"}, "linspace");
  const float largest = *std::max_element(sigmas.begin(), sigmas.end());
  schedule.init_noise_sigma = spacing == "leading" ? std::sqrt(largest * largest + 1) : largest;
  return schedule;
}

}  // namespace trireme
