#include "src/schedulers/noise_table.h"

#include <ATen/ATen.h>

#include <cmath>

namespace trireme {
namespace {

// Nichol and Dhariwal 2021 (arXiv 2102.09672), eq. 17.
at::Tensor cosine_betas(int64_t steps) {
  const auto product_until = [](double t) {
    const double cosine = std::cos((t + 0.008) / 1.008 * M_PI / 2);
    return cosine * cosine;
  };
  at::Tensor betas = at::empty({steps}, at::kFloat);
  for (int64_t i = 0; i < steps; ++i) {
    const double from = product_until(static_cast<double>(i) / static_cast<double>(steps));
    const double to = product_until(static_cast<double>(i + 1) / static_cast<double>(steps));
    betas[i] = std::min(1 - to / from, 0.999);
  }
  return betas;
}

at::Tensor named_betas(const SchedulerConfig& config) {
  if (const auto trained = config.numbers("trained_betas"); !trained.empty()) {
    return at::tensor(at::ArrayRef<double>(trained), at::kDouble).to(at::kFloat);
  }
  const int64_t steps = config.integer("num_train_timesteps", 1000);
  const double start = config.number("beta_start", 0.0001);
  const double end = config.number("beta_end", 0.02);
  const auto kind =
      config.choice("beta_schedule", {"linear", "scaled_linear", "squaredcos_cap_v2"}, "linear");
  if (kind == "linear") return at::linspace(start, end, steps, at::kFloat);
  if (kind == "squaredcos_cap_v2") return cosine_betas(steps);
  return at::linspace(std::sqrt(start), std::sqrt(end), steps, at::kFloat).square();
}

// Lin et al. 2023 (arXiv 2305.08891), algorithm 1.
at::Tensor with_zero_terminal_snr(const at::Tensor& betas) {
  at::Tensor root = at::cumprod(1 - betas, 0).sqrt();
  const at::Tensor first = root[0].clone();
  const at::Tensor last = root[-1].clone();
  root.sub_(last).mul_(first / (first - last));
  const at::Tensor products = root.square();
  const at::Tensor ratios = products.slice(0, 1) / products.slice(0, 0, -1);
  return 1 - at::cat({products.slice(0, 0, 1), ratios});
}

std::vector<float> to_vector(const at::Tensor& values) {
  const at::Tensor dense = values.contiguous();
  return {dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel()};
}

}  // namespace

NoiseTable noise_table(const SchedulerConfig& config, bool keep_last_positive) {
  const bool rescale = config.flag("rescale_betas_zero_snr");
  at::Tensor betas = named_betas(config);
  if (rescale) betas = with_zero_terminal_snr(betas);
  at::Tensor products = at::cumprod(1.0 - betas, 0);
  if (rescale && keep_last_positive) products[-1] = std::ldexp(1.0, -24);
  return {to_vector(products), to_vector(((1 - products) / products).sqrt())};
}

}  // namespace trireme
