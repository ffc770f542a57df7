#include "src/schedulers/sigmas.h"

#include <algorithm>
#include <cmath>

#include "src/schedulers/beta_quantile.h"

namespace trireme {

std::vector<double> linspace(double start, double stop, int64_t n) {
  std::vector<double> points(static_cast<size_t>(n), start);
  if (n < 2) return points;
  const double step = (stop - start) / static_cast<double>(n - 1);
  for (size_t i = 0; i < points.size(); ++i) points[i] = static_cast<double>(i) * step + start;
  points.back() = stop;
  return points;
}

std::vector<double> trailing_timesteps(double start, double step) {
  // NumPy takes the second point's rounding into every later one.
  const double delta = (start - step) - start;
  std::vector<double> points(static_cast<size_t>(std::max(0.0, std::ceil(-start / -step))));
  for (size_t i = 0; i < points.size(); ++i)
    points[i] = std::nearbyint(start + static_cast<double>(i) * delta) - 1;
  return points;
}

double interpolate(double at, const std::vector<float>& table) {
  const auto last = static_cast<double>(table.size() - 1);
  if (!(at > 0)) return table.front();
  if (at >= last) return table.back();
  const double low = std::floor(at);
  const auto index = static_cast<size_t>(low);
  const double from = table[index];
  const double slope = static_cast<double>(table[index + 1]) - from;
  return slope * (at - low) + from;
}

double timestep_of_sigma(double sigma, const std::vector<float>& log_sigmas) {
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  // The last entry that is not above; tables ascend.
  const auto above = std::upper_bound(log_sigmas.begin(), log_sigmas.end(), log_sigma);
  const auto reached = std::max<int64_t>(0, above - log_sigmas.begin() - 1);
  const auto low = static_cast<size_t>(
      std::clamp<int64_t>(reached, 0, static_cast<int64_t>(log_sigmas.size()) - 2));
  const float interval = log_sigmas[low] - log_sigmas[low + 1];
  const double weight = std::clamp((log_sigmas[low] - log_sigma) / interval, 0.0, 1.0);
  return (1 - weight) * static_cast<double>(low) + weight * static_cast<double>(low + 1);
}

std::vector<double> timesteps_of_sigmas(const std::vector<double>& sigmas,
                                        const std::vector<float>& log_sigmas) {
  std::vector<double> timesteps;
  for (double sigma : sigmas) timesteps.push_back(timestep_of_sigma(sigma, log_sigmas));
  return timesteps;
}

std::vector<float> logarithms(const std::vector<float>& values) {
  std::vector<float> logs;
  for (float value : values)
    logs.push_back(static_cast<float>(std::log(static_cast<double>(value))));
  return logs;
}

std::vector<double> rounded(std::vector<double> values) {
  for (double& value : values) value = std::nearbyint(value);
  return values;
}

std::vector<double> truncated(std::vector<double> values) {
  for (double& value : values) value = std::trunc(value);
  return values;
}

std::vector<double> karras_sigmas(double first, double last, int64_t n) {
  constexpr double kRho = 7;
  const double from = std::pow(first, 1 / kRho);
  const double to = std::pow(last, 1 / kRho);
  std::vector<double> sigmas = linspace(0, 1, n);
  for (double& each : sigmas) each = std::pow(from + each * (to - from), kRho);
  return sigmas;
}

std::vector<double> exponential_sigmas(double first, double last, int64_t n) {
  std::vector<double> sigmas = linspace(std::log(first), std::log(last), n);
  for (double& each : sigmas) each = std::exp(each);
  return sigmas;
}

std::vector<double> beta_sigmas(double first, double last, int64_t n) {
  std::vector<double> sigmas = linspace(0, 1, n);
  for (double& each : sigmas) each = last + beta_quantile(1 - each, 0.6, 0.6) * (first - last);
  return sigmas;
}

bool asks_for_respacing(const SchedulerConfig& config) {
  return config.flag("use_karras_sigmas") || config.flag("use_exponential_sigmas") ||
         config.flag("use_beta_sigmas");
}

std::optional<std::vector<double>> respaced_sigmas(const SchedulerConfig& config, double first,
                                                   double last, int64_t n) {
  const bool karras = config.flag("use_karras_sigmas");
  const bool exponential = config.flag("use_exponential_sigmas");
  const bool beta = config.flag("use_beta_sigmas");
  if (int{karras} + int{exponential} + int{beta} > 1) {
    config.refuse(karras ? "use_karras_sigmas" : "use_exponential_sigmas",
                  "must be the only one of use_karras_sigmas, use_exponential_sigmas, "
                  "use_beta_sigmas that is true",
                  "the job sets one and the checkpoint another?");
  }
  first = config.shared_number("sigma_max").value_or(first);
  last = config.shared_number("sigma_min").value_or(last);
  if (karras && (first < 0 || last < 0)) {
    config.refuse("use_karras_sigmas", "needs noise levels of at least zero", "a negative sigma?");
  }
  if (exponential && (first <= 0 || last <= 0)) {
    config.refuse("use_exponential_sigmas", "needs noise levels above zero",
                  "custom sigmas that end in zero?");
  }
  if (karras) return karras_sigmas(first, last, n);
  if (exponential) return exponential_sigmas(first, last, n);
  if (beta) return beta_sigmas(first, last, n);
  return std::nullopt;
}

}  // namespace trireme
