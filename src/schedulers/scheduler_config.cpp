#include "src/schedulers/scheduler_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "parallel/error.h"

namespace trireme {
namespace {

using Fields = std::vector<std::string>;

// The parameters of the constructors of diffusers 0.42.1.
const std::map<std::string, Fields, std::less<>>& classes() {
  static const std::map<std::string, Fields, std::less<>> table{
      {"FlowMatchEulerDiscreteScheduler",
       {"num_train_timesteps", "shift", "use_dynamic_shifting", "base_shift", "max_shift",
        "base_image_seq_len", "max_image_seq_len", "invert_sigmas", "shift_terminal",
        "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "time_shift_type",
        "stochastic_sampling"}},
      {"FlowMatchHeunDiscreteScheduler", {"num_train_timesteps", "shift"}},
      {"DPMSolverMultistepScheduler",
       {"num_train_timesteps",
        "beta_start",
        "beta_end",
        "beta_schedule",
        "trained_betas",
        "solver_order",
        "prediction_type",
        "thresholding",
        "dynamic_thresholding_ratio",
        "sample_max_value",
        "algorithm_type",
        "solver_type",
        "lower_order_final",
        "euler_at_final",
        "use_karras_sigmas",
        "use_exponential_sigmas",
        "use_beta_sigmas",
        "use_lu_lambdas",
        "use_flow_sigmas",
        "flow_shift",
        "final_sigmas_type",
        "lambda_min_clipped",
        "variance_type",
        "timestep_spacing",
        "steps_offset",
        "rescale_betas_zero_snr",
        "use_dynamic_shifting",
        "time_shift_type"}},
      {"EulerDiscreteScheduler",
       {"num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
        "prediction_type", "interpolation_type", "use_karras_sigmas", "use_exponential_sigmas",
        "use_beta_sigmas", "sigma_min", "sigma_max", "timestep_spacing", "timestep_type",
        "steps_offset", "rescale_betas_zero_snr", "final_sigmas_type"}},
      {"DDIMScheduler",
       {"num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
        "clip_sample", "set_alpha_to_one", "steps_offset", "prediction_type", "thresholding",
        "dynamic_thresholding_ratio", "clip_sample_range", "sample_max_value", "timestep_spacing",
        "rescale_betas_zero_snr"}},
  };
  return table;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

std::string did_you_mean(std::string_view given, const Fields& known) {
  const auto nearest = std::min_element(known.begin(), known.end(), [&](auto& a, auto& b) {
    return edit_distance(given, a) < edit_distance(given, b);
  });
  return fmt::format("did you mean {}?", *nearest);
}

bool contains(const Fields& fields, std::string_view field) {
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

std::string class_of(const nlohmann::json& checkpoint, const nlohmann::json& job) {
  const bool changed = job.contains("class");
  const auto place = changed ? "sampling.scheduler.class" : "scheduler_config.json: _class_name";
  const auto given = changed ? job["class"] : checkpoint.value("_class_name", nlohmann::json());
  if (given.is_string() && classes().contains(given.get<std::string>())) return given;
  const Fields known = scheduler_classes();
  throw Error(
      Exit::kBadJob,
      fmt::format("[{}] {} -> must be one of {} -> {}", place, given.dump(), fmt::join(known, ", "),
                  did_you_mean(given.is_string() ? given.get<std::string>() : "", known)));
}

// Fields that diffusers wrote as its own defaults give way to the defaults of the class in use.
nlohmann::json named_fields(const nlohmann::json& checkpoint) {
  nlohmann::json named = checkpoint;
  for (const auto& field : checkpoint.value("_use_default_values", nlohmann::json::array())) {
    if (field.is_string()) named.erase(field.get<std::string>());
  }
  return named;
}

}  // namespace

std::vector<std::string> scheduler_classes() {
  Fields names;
  for (const auto& [name, fields] : classes()) names.push_back(name);
  return names;
}

std::vector<std::string> scheduler_fields(std::string_view class_name) {
  const auto found = classes().find(class_name);
  return found == classes().end() ? Fields{} : found->second;
}

SchedulerConfig::SchedulerConfig(const nlohmann::json& checkpoint, const nlohmann::json& job)
    : class_name_(class_of(checkpoint, job)),
      fields_(nlohmann::json::object()),
      foreign_(nlohmann::json::object()) {
  const Fields known = scheduler_fields(class_name_);
  const nlohmann::json named = named_fields(checkpoint);
  for (const auto& [field, value] : named.items()) {
    if (field.starts_with('_')) continue;
    (contains(known, field) ? fields_ : foreign_)[field] = value;
    if (!contains(known, field)) unused_.push_back(field);
  }
  for (const auto& [field, value] : job.items()) {
    if (field == "class") continue;
    if (!contains(known, field)) {
      throw Error(Exit::kBadJob,
                  fmt::format("[sampling.scheduler.{}] {} -> {} has no such field -> {}", field,
                              value.dump(), class_name_, did_you_mean(field, known)));
    }
    fields_[field] = value;
    from_job_.push_back(field);
  }
}

nlohmann::json SchedulerConfig::json() const {
  nlohmann::json all = fields_;
  all["_class_name"] = class_name_;
  return all;
}

const nlohmann::json* SchedulerConfig::find(std::string_view field) const {
  const auto found = fields_.find(field);
  return found == fields_.end() ? nullptr : &*found;
}

double SchedulerConfig::number(std::string_view field, double fallback) const {
  const auto* value = find(field);
  if (!value) return fallback;
  if (!value->is_number()) refuse(field, "must be a number", "quotes around it, or null?");
  return value->get<double>();
}

std::optional<double> SchedulerConfig::optional_number(std::string_view field) const {
  const auto* value = find(field);
  if (!value || value->is_null()) return std::nullopt;
  return number(field, 0);
}

int64_t SchedulerConfig::integer(std::string_view field, int64_t fallback) const {
  const auto* value = find(field);
  if (!value) return fallback;
  const bool whole = value->is_number() && std::fabs(value->get<double>()) < 1e9 &&
                     value->get<double>() == std::trunc(value->get<double>());
  if (!whole) refuse(field, "must be a whole number", "a fraction, quotes around it, or null?");
  return static_cast<int64_t>(value->get<double>());
}

bool SchedulerConfig::flag(std::string_view field, bool fallback) const {
  const auto* value = find(field);
  if (!value) return fallback;
  if (!value->is_boolean()) refuse(field, "must be true or false", "quotes around it, or null?");
  return value->get<bool>();
}

std::string SchedulerConfig::choice(std::string_view field,
                                    std::initializer_list<std::string_view> offered,
                                    std::string_view fallback) const {
  const auto* value = find(field);
  if (!value || value->is_null()) return std::string(fallback);
  if (value->is_string()) {
    const auto& given = value->get_ref<const std::string&>();
    if (std::find(offered.begin(), offered.end(), given) != offered.end()) return given;
  }
  refuse(field, fmt::format("must be one of {}", fmt::join(offered, ", ")),
         fmt::format("{} takes nothing else", class_name_));
}

std::vector<double> SchedulerConfig::numbers(std::string_view field) const {
  const auto* value = find(field);
  if (!value || value->is_null()) return {};
  const bool all_numbers =
      value->is_array() && !value->empty() &&
      std::all_of(value->begin(), value->end(), [](const auto& each) { return each.is_number(); });
  if (!all_numbers) refuse(field, "must be a list of numbers", "an empty list, or text in it?");
  return value->get<std::vector<double>>();
}

std::optional<double> SchedulerConfig::shared_number(std::string_view field) const {
  if (find(field)) return optional_number(field);
  const auto found = foreign_.find(field);
  if (found == foreign_.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

bool SchedulerConfig::shared_flag(std::string_view field) const {
  const auto found = foreign_.find(field);
  return flag(field) || (found != foreign_.end() && found->is_boolean() && found->get<bool>());
}

void SchedulerConfig::refuse(std::string_view field, const std::string& requirement,
                             const std::string& cause) const {
  const auto* value = find(field);
  const auto place = contains(from_job_, field) ? fmt::format("sampling.scheduler.{}", field)
                                                : fmt::format("scheduler_config.json: {}", field);
  throw Error(Exit::kBadJob, fmt::format("[{}] {} -> {} -> {}", place,
                                         value ? value->dump() : "not given", requirement, cause));
}

}  // namespace trireme
