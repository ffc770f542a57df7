#include "src/schedulers/dpm_solver.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/error.h"
#include "src/schedulers/noise_table.h"
#include "src/schedulers/sigmas.h"

namespace trireme {
namespace {

struct Options {
  int64_t order;
  bool data;  // dpmsolver++: integrates the clean sample, not the noise
  bool sde;
  bool heun;
  bool flow_sigmas;
  bool thresholding;
  std::string prediction;
};

Options read_options(const SchedulerConfig& config) {
  // deis, logrho, bh1, bh2: what other classes of diffusers call their nearest relatives here.
  const auto algorithm = config.choice(
      "algorithm_type", {"dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis"},
      "dpmsolver++");
  const auto type =
      config.choice("solver_type", {"midpoint", "heun", "logrho", "bh1", "bh2"}, "midpoint");
  Options options{
      .order = config.integer("solver_order", 2),
      .data = algorithm.ends_with("++") || algorithm == "deis",
      .sde = algorithm.starts_with("sde"),
      .heun = type == "heun",
      .flow_sigmas = config.flag("use_flow_sigmas"),
      .thresholding = config.flag("thresholding"),
      .prediction = config.choice(
          "prediction_type", {"epsilon", "sample", "v_prediction", "flow_prediction"}, "epsilon")};
  if (options.order < 1 || options.order > 3) {
    config.refuse("solver_order", "must be 1, 2 or 3", "there is no higher order");
  }
  if (options.order == 3 && algorithm == "sde-dpmsolver") {
    config.refuse("solver_order", "must be 1 or 2 with sde-dpmsolver", "sde-dpmsolver++ meant?");
  }
  if (!options.data && options.prediction == "flow_prediction") {
    config.refuse("prediction_type", fmt::format("must not be flow_prediction with {}", algorithm),
                  "dpmsolver++ meant?");
  }
  return options;
}

void check_dpm(const SchedulerConfig& config, const ScheduleRequest& request,
               const Options& options) {
  const auto variance = config.choice("variance_type",
                                      {"fixed_small", "fixed_small_log", "fixed_large",
                                       "fixed_large_log", "learned", "learned_range"},
                                      "fixed_small");
  if (variance.starts_with("learned")) {
    config.refuse("variance_type", "must be null or fixed",
                  "the pipelines here take a learned variance off before the scheduler");
  }
  const auto last = config.choice("final_sigmas_type", {"zero", "sigma_min"}, "zero");
  if (!options.data && last == "zero") {
    config.refuse("final_sigmas_type", "must be sigma_min with dpmsolver and sde-dpmsolver",
                  "they divide by the last noise level");
  }
  config.choice("time_shift_type", {"exponential"}, "exponential");
  if (request.mu && !config.flag("use_dynamic_shifting")) {
    config.refuse("use_dynamic_shifting", "must be true for a shift mu",
                  "a static schedule meant?");
  }
  if (request.timesteps.empty()) return;
  for (const auto* field : {"use_karras_sigmas", "use_lu_lambdas", "use_exponential_sigmas",
                            "use_beta_sigmas", "use_flow_sigmas"}) {
    if (config.flag(field)) {
      config.refuse(field, "must be false with custom timesteps", "it makes its own timesteps");
    }
  }
}

// How many training timesteps lambda_min_clipped leaves.
int64_t kept_timesteps(const SchedulerConfig& config, const NoiseTable& table) {
  const double least = config.number("lambda_min_clipped", -INFINITY);
  const auto products = at::tensor(at::ArrayRef<float>(table.alphas_cumprod), at::kFloat);
  const auto lambdas = at::log(products.sqrt()) - at::log((1 - products).sqrt());
  const auto clipped = at::searchsorted(lambdas.flip(0).contiguous(), at::Scalar(least));
  return config.integer("num_train_timesteps", 1000) - clipped.item<int64_t>();
}

std::vector<double> dpm_timesteps(const SchedulerConfig& config, int64_t steps, int64_t kept) {
  const auto spacing =
      config.choice("timestep_spacing", {"linspace", "leading", "trailing"}, "linspace");
  if (spacing == "trailing") {
    const auto train = static_cast<double>(config.integer("num_train_timesteps", 1000));
    return trailing_timesteps(static_cast<double>(kept), train / static_cast<double>(steps));
  }
  const auto top =
      static_cast<double>(spacing == "linspace" ? kept - 1 : kept / (steps + 1) * steps);
  auto timesteps = rounded(linspace(0, top, steps + 1));
  timesteps.erase(timesteps.begin());
  std::reverse(timesteps.begin(), timesteps.end());
  if (spacing == "leading") {
    for (double& t : timesteps) t += static_cast<double>(config.integer("steps_offset", 0));
  }
  return timesteps;
}

struct DpmGrid {
  std::vector<double> timesteps;
  std::vector<double> sigmas;  // without the last
};

DpmGrid respaced_grid(const SchedulerConfig& config, const NoiseTable& table, int64_t steps) {
  const auto logs = logarithms(table.sigmas);
  const bool karras = config.flag("use_karras_sigmas");
  DpmGrid grid;
  if (config.flag("use_lu_lambdas") && !karras) {
    grid.sigmas = linspace(0, 1, steps);
    const double first = logs.back();
    for (double& each : grid.sigmas) each = std::exp(first + each * (logs.front() - first));
  } else {
    grid.sigmas = *respaced_sigmas(config, table.sigmas.back(), table.sigmas.front(), steps);
  }
  grid.timesteps = timesteps_of_sigmas(grid.sigmas, logs);
  const bool cosine =
      config.choice("beta_schedule", {"linear", "scaled_linear", "squaredcos_cap_v2"}, "linear") ==
      "squaredcos_cap_v2";
  if ((karras || config.flag("use_lu_lambdas")) && !cosine) {
    grid.timesteps = rounded(grid.timesteps);
  }
  grid.timesteps = truncated(grid.timesteps);
  return grid;
}

DpmGrid flow_grid(const SchedulerConfig& config, const ScheduleRequest& request) {
  const auto train = static_cast<double>(config.integer("num_train_timesteps", 1000));
  const auto mu = dynamic_shift(config, request);
  const double shift = mu ? std::exp(*mu) : config.number("flow_shift", 1);
  DpmGrid grid;
  for (double alpha : linspace(1, 1 / train, request.steps + 1)) {
    grid.sigmas.push_back(shifted(1 - alpha, shift));
  }
  grid.sigmas.erase(grid.sigmas.begin());
  std::reverse(grid.sigmas.begin(), grid.sigmas.end());
  for (double sigma : grid.sigmas) grid.timesteps.push_back(std::trunc(sigma * train));
  return grid;
}

DpmGrid make_grid(const SchedulerConfig& config, const ScheduleRequest& request,
                  const NoiseTable& table) {
  if (asks_for_respacing(config) || config.flag("use_lu_lambdas")) {
    return respaced_grid(config, table, request.steps);
  }
  if (config.flag("use_flow_sigmas")) return flow_grid(config, request);
  DpmGrid grid{truncated(request.timesteps), {}};
  if (grid.timesteps.empty()) {
    grid.timesteps = dpm_timesteps(config, request.steps, kept_timesteps(config, table));
  }
  for (double t : grid.timesteps) grid.sigmas.push_back(interpolate(t, table.sigmas));
  return grid;
}

// The weights of all steps at once, for every order, by diffusers' own float32 operations: for
// small h their cancellation is large, and would show if it were another one.
struct Weights {
  at::Tensor sample, estimate, noise;    // [steps]
  at::Tensor second_order, third_order;  // of the first difference, in those orders
  at::Tensor third_order_curve;          // of the second difference
};

at::Tensor slope_weight(const Options& o, const at::Tensor& scale, const at::Tensor& h) {
  if (o.data && !o.sde) return scale * ((at::exp(-h) - 1.0) / h + 1.0);
  if (o.data) return scale * ((1.0 - at::exp(-2.0 * h)) / (-2.0 * h) + 1.0);
  return (o.sde ? -2.0 : -1.0) * (scale * ((at::exp(h) - 1.0) / h - 1.0));
}

at::Tensor curve_weight(const Options& o, const at::Tensor& scale, const at::Tensor& h) {
  if (o.data && !o.sde) return -(scale * ((at::exp(-h) - 1.0 + h) / h.square() - 0.5));
  if (o.data) {
    return scale * ((1.0 - at::exp(-2.0 * h) - 2.0 * h) / (2.0 * h).square() - 0.5);
  }
  return -(scale * ((at::exp(h) - 1.0 - h) / h.square() - 0.5));
}

Weights make_weights(const Options& o, const at::Tensor& alpha, const at::Tensor& sigma,
                     const at::Tensor& h) {
  const auto next = [](const at::Tensor& v) { return v.slice(0, 1); };
  const auto here = [](const at::Tensor& v) { return v.slice(0, 0, -1); };
  const at::Tensor scale = next(o.data ? alpha : sigma);
  Weights w;
  if (o.data) {
    w.sample = next(sigma) / here(sigma);
    if (o.sde) w.sample = w.sample * at::exp(-h);
    w.estimate = o.sde ? scale * (1 - at::exp(-2.0 * h)) : -(scale * (at::exp(-h) - 1.0));
    w.noise = next(sigma) * at::sqrt(1.0 - at::exp(-2 * h));
  } else {
    w.sample = next(alpha) / here(alpha);
    w.estimate = (o.sde ? -2.0 : -1.0) * (scale * (at::exp(h) - 1.0));
    w.noise = scale * at::sqrt(at::exp(2 * h) - 1.0);
  }
  w.third_order = slope_weight(o, scale, h);
  w.second_order = o.heun ? w.third_order : 0.5 * w.estimate;
  w.third_order_curve = curve_weight(o, scale, h);
  return w;
}

double value_at(const at::Tensor& values, int64_t i) {
  return values.data_ptr<float>()[i];
}

// Weights of the newest estimates at step i, from those of their divided differences.
std::array<double, 3> estimate_weights(const Weights& w, const at::Tensor& h, int64_t i,
                                       int64_t order) {
  const double estimate = value_at(w.estimate, i);
  if (order == 1) return {estimate, 0, 0};
  const float* steps = h.data_ptr<float>();
  const double r0 = steps[i - 1] / steps[i];
  if (order == 2) {
    const double newer = value_at(w.second_order, i) / r0;
    return {estimate + newer, -newer, 0};
  }
  const double r1 = steps[i - 2] / steps[i];
  const double slope = value_at(w.third_order, i);
  const double curve = value_at(w.third_order_curve, i) / (r0 + r1);
  const double newer = (slope * (1 + r0 / (r0 + r1)) + curve) / r0;
  const double older = (slope * r0 / (r0 + r1) + curve) / r1;
  return {estimate + newer, -newer - older, older};
}

int64_t order_at(const SchedulerConfig& config, const Options& options, int64_t i, int64_t steps) {
  const bool few = config.flag("lower_order_final", true) && steps < 15;
  const bool to_zero = config.choice("final_sigmas_type", {"zero", "sigma_min"}, "zero") == "zero";
  if (i == 0 || (i == steps - 1 && (config.flag("euler_at_final") || few || to_zero))) return 1;
  const int64_t order = std::min(options.order, i + 1);
  return i == steps - 2 && few ? std::min<int64_t>(order, 2) : order;
}

// What the solver integrates, from sample and prediction. `clean`: the clean sample, else noise.
Blend estimate_blend(const std::string& prediction, bool clean, double alpha, double sigma) {
  if (prediction == "sample") return clean ? Blend{0, 1} : Blend{1 / sigma, -alpha / sigma};
  if (prediction == "v_prediction") return clean ? Blend{alpha, -sigma} : Blend{sigma, alpha};
  if (prediction == "flow_prediction") return {1, -sigma};
  return clean ? Blend{1 / alpha, -sigma / alpha} : Blend{0, 1};
}

// The clean sample from sample and noise prediction, then (after the threshold) back to noise.
void threshold_noise(StepRule& rule, double alpha, double sigma) {
  const Blend noise = rule.estimate;
  rule.estimate = {(1 - sigma * noise.sample) / alpha, -sigma * noise.other / alpha};
  rule.from_limited = Blend{1 / sigma, -alpha / sigma};
}

std::vector<StepRule> make_rules(const SchedulerConfig& config, const Options& options,
                                 const std::vector<float>& sigmas) {
  const at::Tensor levels = at::tensor(at::ArrayRef<float>(sigmas), at::kFloat);
  const at::Tensor alpha = options.flow_sigmas ? 1 - levels : 1 / (levels.square() + 1).sqrt();
  const at::Tensor sigma = options.flow_sigmas ? levels : levels * alpha;
  const at::Tensor lambda = at::log(alpha) - at::log(sigma);
  const at::Tensor h = lambda.slice(0, 1) - lambda.slice(0, 0, -1);
  const Weights w = make_weights(options, alpha, sigma, h);
  const auto steps = static_cast<int64_t>(sigmas.size()) - 1;
  std::vector<StepRule> rules;
  for (int64_t i = 0; i < steps; ++i) {
    const double a = value_at(alpha, i);
    const double s = value_at(sigma, i);
    StepRule rule{.estimate = estimate_blend(options.prediction, options.data, a, s)};
    if (options.thresholding && !options.data) threshold_noise(rule, a, s);
    rule.sample = value_at(w.sample, i);
    rule.estimates = estimate_weights(w, h, i, order_at(config, options, i, steps));
    rule.noise = options.sde ? value_at(w.noise, i) : 0;
    rules.push_back(rule);
  }
  return rules;
}

}  // namespace

Schedule dpm_solver_schedule(const SchedulerConfig& config, const ScheduleRequest& request) {
  const Options options = read_options(config);
  check_dpm(config, request, options);
  const NoiseTable table = noise_table(config, true);
  const DpmGrid grid = make_grid(config, request, table);
  std::vector<float> sigmas(grid.sigmas.begin(), grid.sigmas.end());
  const bool to_zero = config.choice("final_sigmas_type", {"zero", "sigma_min"}, "zero") == "zero";
  sigmas.push_back(to_zero ? 0 : table.sigmas.front());
  Schedule schedule{.timesteps = grid.timesteps,
                    .sigmas = {sigmas.begin(), sigmas.end()},
                    .history = options.order,
                    .needs_noise = options.sde};
  if (options.thresholding) {
    schedule.limit = {.kind = Limit::Kind::kQuantile,
                      .maximum = config.number("sample_max_value", 1),
                      .quantile = config.number("dynamic_thresholding_ratio", 0.995)};
  }
  schedule.rules = make_rules(config, options, sigmas);
  return schedule;
}

}  // namespace trireme
