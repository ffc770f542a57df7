// ComponentConfig: the config.json of a component (or scheduler_config.json, model_index.json ...)
// as typed values. A missing key or a wrong type is an Error that names file and key, so that a
// model never runs on a default its checkpoint did not mean. Keys that nobody asks for are ignored.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace trireme {

// JSON as Python writes it: bare NaN, Infinity and -Infinity are numbers. Error (kBadData) says
// where in the text the mistake is; `place` names the file.
nlohmann::json parse_python_json(std::string_view text, const std::string& place);
// As above for a file; Error (kMissingInput) if it is not there.
nlohmann::json read_json_file(const std::filesystem::path& file);

class ComponentConfig {
 public:
  static ComponentConfig read(const std::filesystem::path& file);
  // `place` is the text that stands for the file in messages.
  ComponentConfig(nlohmann::json values, std::string place);

  // As JSON, keys in order.
  std::string text() const;
  // There and not null.
  bool has(const std::string& key) const;
  // T: bool, int64_t, double, std::string, std::vector of one of them, ComponentConfig (an object).
  // A key that is missing or null is an Error.
  template <typename T>
  T get(const std::string& key) const {
    if (auto value = find<T>(key)) return *std::move(value);
    missing(key);
  }
  // A key that is missing or null is the fallback: only where the class's own default is the truth.
  template <typename T>
  T get_or(const std::string& key, T fallback) const {
    auto value = find<T>(key);
    return value ? *std::move(value) : std::move(fallback);
  }
  template <typename T>
  std::optional<T> find(const std::string& key) const;

  // Refuses a config whose value of `key` is another than the model's maths knows.
  template <typename T>
  void expect(const std::string& key, const T& value) const {
    if (get<T>(key) != value) unsupported(key);
  }

  // diffusers' `_class_name`, or the first of transformers' `architectures`; "" if neither is
  // there.
  std::string class_name() const;
  const std::string& place() const { return place_; }
  const nlohmann::json& values() const { return *values_; }

  // For rules the types above cannot say: `[config] FILE: "key" is VALUE -> requirement -> cause`.
  [[noreturn]] void refuse(const std::string& key, const std::string& requirement,
                           const std::string& cause) const;

 private:
  [[noreturn]] void missing(const std::string& key) const;
  [[noreturn]] void unsupported(const std::string& key) const;

  std::shared_ptr<const nlohmann::json> values_;
  std::string place_;
};

template <>
std::optional<ComponentConfig> ComponentConfig::find(const std::string& key) const;

}  // namespace trireme
