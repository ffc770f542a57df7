// Schedule: a denoising run as data. Every scheduler we have is a table of linear rules: how the
// sample is scaled for the model, what is estimated from sample and prediction, and which weights
// of sample, prediction, the newest estimates and fresh noise give the next sample. A Schedule is
// made once, may be shared by all batches of the same steps and size, and never changes; the
// history of a batch is in its Solver (solver.h). All numbers are the float32 values diffusers has.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/schedulers/scheduler_config.h"

namespace trireme {

struct ScheduleRequest {
  int64_t steps = 0;                // num_inference_steps; a list below sets it instead
  std::vector<double> sigmas{};     // custom noise levels; empty: the scheduler's own
  std::vector<double> timesteps{};  // custom timesteps; empty: the scheduler's own
  int64_t image_tokens = 0;         // SD3: the image's tokens, for a dynamic shift; PixArt: 0, none
  std::optional<double> mu{};       // the dynamic shift itself, instead of that of image_tokens
};

// sample * x + other * y.
struct Blend {
  double sample = 0;
  double other = 1;
};

// What is done to an estimate of the clean sample before it is used.
struct Limit {
  enum class Kind { kNone, kClamp, kQuantile } kind = Kind::kNone;
  double maximum = 1;   // kClamp: the range; kQuantile: the largest threshold
  double quantile = 1;  // kQuantile: of |x|, for each sample; divides what it clamps
};

struct StepRule {
  double input_scale = 1;  // the model sees sample * input_scale
  Blend estimate{};        // of sample and prediction; limited by Schedule::limit
  // Of sample and limited estimate, what is remembered; none: the limited estimate itself.
  std::optional<Blend> from_limited{};
  double sample = 1;                  // next sample: weight of the sample (or the anchor)
  double prediction = 0;              // ... of the prediction as it came
  std::array<double, 3> estimates{};  // ... of the newest estimates, newest first
  double noise = 0;                   // ... of fresh unit noise
  bool sets_anchor = false;           // Heun: remember this sample ...
  bool from_anchor = false;           // ... and start from it again
};

struct Schedule {
  std::string scheduler{};
  std::vector<double> timesteps{};  // what the model sees, one for each call of it
  std::vector<double> sigmas{};     // one more than timesteps; DDIM has none
  double init_noise_sigma = 1;      // PixArt's pipeline multiplies the first noise by it
  int64_t history = 0;              // estimates to remember, up to 3
  Limit limit{};
  bool needs_noise = false;  // every step takes float32 noise of the sample's own generator
  std::vector<StepRule> rules{};

  int64_t size() const { return static_cast<int64_t>(timesteps.size()); }
};

// Throws Error(kBadJob) where diffusers fails: lists the class does not take, step numbers it
// cannot space, a noise level that makes the solver divide by zero.
Schedule make_schedule(const SchedulerConfig& config, const ScheduleRequest& request);

// The shift of the SD3 pipeline: linear in the image's tokens. None without dynamic shifting.
std::optional<double> dynamic_shift(const SchedulerConfig& config, const ScheduleRequest& request);

}  // namespace trireme
