// SchedulerConfig: the class of a scheduler and its fields, as diffusers' from_config merges them:
// the job's fields over the checkpoint's, and where the job changes the class, of the checkpoint's
// fields those that the new class has. A field that neither names has the class's default, so an
// empty checkpoint with a class name is a complete configuration.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {

class SchedulerConfig {
 public:
  // `checkpoint`: the parsed scheduler_config.json. `job`: the job's `sampling.scheduler` map, with
  // `class` beside the fields; may be empty. Throws Error(kBadJob) for an unknown class, and for a
  // field of the job that the class does not have.
  explicit SchedulerConfig(const nlohmann::json& checkpoint,
                           const nlohmann::json& job = nlohmann::json::object());

  const std::string& class_name() const { return class_name_; }

  // Fields of the checkpoint that this class does not have; without effect, as in diffusers.
  const std::vector<std::string>& unused() const { return unused_; }

  // The merged fields with `_class_name`: what a scheduler_config.json of this run would hold.
  nlohmann::json json() const;

  // Typed reads. A field of another type, or a choice that is not offered, throws Error(kBadJob)
  // which names the field, its value and the file it came from.
  double number(std::string_view field, double fallback) const;
  std::optional<double> optional_number(std::string_view field) const;  // null or missing: none
  int64_t integer(std::string_view field, int64_t fallback) const;
  bool flag(std::string_view field, bool fallback = false) const;
  // Null counts as not given.
  std::string choice(std::string_view field, std::initializer_list<std::string_view> offered,
                     std::string_view fallback) const;
  std::vector<double> numbers(std::string_view field) const;  // null or missing: empty
  // diffusers keeps a checkpoint's fields of other classes beside its own, and reads a few of them
  // (sigma_min, use_dynamic_shifting ...) whatever the class. These two look there as well.
  std::optional<double> shared_number(std::string_view field) const;
  bool shared_flag(std::string_view field) const;

  // Throws Error(kBadJob) about a field: `[place] value -> requirement -> cause`.
  [[noreturn]] void refuse(std::string_view field, const std::string& requirement,
                           const std::string& cause) const;

 private:
  const nlohmann::json* find(std::string_view field) const;

  std::string class_name_;
  nlohmann::json fields_;
  nlohmann::json foreign_;  // the checkpoint's fields that belong to other classes
  std::vector<std::string> from_job_;
  std::vector<std::string> unused_;
};

// The classes there are, and the fields of one (empty for an unknown class).
std::vector<std::string> scheduler_classes();
std::vector<std::string> scheduler_fields(std::string_view class_name);

}  // namespace trireme
