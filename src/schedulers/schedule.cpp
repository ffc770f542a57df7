#include "src/schedulers/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/error.h"
#include "src/schedulers/ddim.h"
#include "src/schedulers/dpm_solver.h"
#include "src/schedulers/euler.h"
#include "src/schedulers/flow_match.h"

namespace trireme {
namespace {

struct Family {
  std::string_view class_name;
  Schedule (*make)(const SchedulerConfig&, const ScheduleRequest&);
  bool takes_sigmas;
  bool takes_timesteps;
  bool takes_shift;
  bool looks_up_first;  // diffusers finds its first step by the value of the timestep
};

constexpr std::array<Family, 5> kFamilies{{
    {"FlowMatchEulerDiscreteScheduler", flow_match_euler_schedule, true, true, true, true},
    {"FlowMatchHeunDiscreteScheduler", flow_match_heun_schedule, false, false, false, true},
    {"DPMSolverMultistepScheduler", dpm_solver_schedule, false, true, true, true},
    {"EulerDiscreteScheduler", euler_schedule, true, true, false, true},
    {"DDIMScheduler", ddim_schedule, false, false, false, false},
}};

[[noreturn]] void refuse(std::string_view field, const std::string& value,
                         const std::string& requirement, const std::string& cause) {
  throw Error(Exit::kBadJob,
              fmt::format("[sampling.{}] {} -> {} -> {}", field, value, requirement, cause));
}

void check_lists(const Family& family, const ScheduleRequest& request) {
  const auto check = [&](std::string_view field, const std::vector<double>& list, bool taken) {
    if (list.empty()) return;
    if (!taken) {
      refuse(field, fmt::format("{} values", list.size()), "must not be given",
             fmt::format("{} does not support custom {}", family.class_name, field));
    }
    const auto odd =
        std::find_if(list.begin(), list.end(), [](double v) { return !std::isfinite(v); });
    if (odd != list.end()) refuse(field, fmt::format("{}", *odd), "must be finite", "a slip?");
  };
  check("sigmas", request.sigmas, family.takes_sigmas);
  check("timesteps", request.timesteps, family.takes_timesteps);
}

void check_steps(const SchedulerConfig& config, const ScheduleRequest& request) {
  if (config.integer("num_train_timesteps", 1000) < 1) {
    config.refuse("num_train_timesteps", "must be at least 1", "a slip in the configuration?");
  }
  if (!request.sigmas.empty() || !request.timesteps.empty()) return;
  if (request.steps < 1) {
    refuse("num_inference_steps", std::to_string(request.steps), "must be at least 1", "a slip?");
  }
}

bool finite(const StepRule& rule) {
  const Blend back = rule.from_limited.value_or(Blend{});
  const double parts[] = {
      rule.input_scale,  rule.estimate.sample, rule.estimate.other, back.sample,
      back.other,        rule.sample,          rule.prediction,     rule.estimates[0],
      rule.estimates[1], rule.estimates[2],    rule.noise};
  return std::all_of(std::begin(parts), std::end(parts), [](double v) { return std::isfinite(v); });
}

void check_numbers(const Family& family, const Schedule& schedule) {
  const auto& times = schedule.timesteps;
  if (times.empty()) {
    refuse("num_inference_steps", "an empty schedule", "must leave at least one timestep",
           "lambda_min_clipped takes them all, or a list is too short");
  }
  for (int64_t i = 0; i < schedule.size(); ++i) {
    const auto here = static_cast<size_t>(i);
    const bool sane = std::isfinite(times[here]) && finite(schedule.rules[here]) &&
                      (schedule.sigmas.empty() || std::isfinite(schedule.sigmas[here]));
    if (!sane) {
      refuse("num_inference_steps", fmt::format("step {} of {}", i, schedule.size()),
             fmt::format("must have finite weights in {}", family.class_name),
             "a noise level of zero or one repeated, more steps than the schedule can space, or "
             "a zero-SNR schedule with a model that predicts noise");
    }
  }
  if (family.looks_up_first && std::count(times.begin(), times.end(), times.front()) > 1) {
    refuse("num_inference_steps", fmt::format("timestep {} twice", times.front()),
           "the first timestep must be unlike all others",
           "more steps than the schedule can space, or a list that repeats its first value");
  }
}

}  // namespace

std::optional<double> dynamic_shift(const SchedulerConfig& config, const ScheduleRequest& request) {
  if (request.mu) return request.mu;
  if (!config.shared_flag("use_dynamic_shifting") || request.image_tokens < 1) return std::nullopt;
  // The pipeline has another fallback than the class that declares the field.
  const bool declared = config.class_name() == "FlowMatchEulerDiscreteScheduler";
  const auto field = [&](std::string_view name, double fallback) {
    return config.shared_number(name).value_or(fallback);
  };
  const double base = field("base_shift", 0.5);
  const double tokens = field("base_image_seq_len", 256);
  const double slope = (field("max_shift", declared ? 1.15 : 1.16) - base) /
                       (field("max_image_seq_len", 4096) - tokens);
  return static_cast<double>(request.image_tokens) * slope + (base - slope * tokens);
}

Schedule make_schedule(const SchedulerConfig& config, const ScheduleRequest& request) {
  const auto& family = *std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& each) {
    return each.class_name == config.class_name();
  });
  check_steps(config, request);
  check_lists(family, request);
  if (dynamic_shift(config, request) && !family.takes_shift) {
    refuse("scheduler.class", config.class_name(), "must take the dynamic shift of the checkpoint",
           "its scheduler_config.json sets use_dynamic_shifting, which this class does not know");
  }
  Schedule schedule = family.make(config, request);
  schedule.scheduler = config.class_name();
  check_numbers(family, schedule);
  return schedule;
}

}  // namespace trireme
