#include "src/weights/component_config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "parallel/error.h"

namespace trireme {
namespace {

using nlohmann::json;

// Stands for a bare literal while the standard parser reads the text; no real config has a control
// character at the start of a string.
constexpr char kMark = '\x01';
// What walks the tree may then recurse.
constexpr int kMaxDepth = 100;

bool starts_with(std::string_view text, size_t at, std::string_view word) {
  return text.substr(at, word.size()) == word;
}

// The literal that begins at `at`, or nothing. The parser never sees letters of ours: inside
// strings the caller does not ask.
std::string_view literal_at(std::string_view text, size_t at) {
  for (std::string_view word : {"-Infinity", "Infinity", "NaN"}) {
    if (starts_with(text, at, word)) return word;
  }
  return {};
}

std::string mark_literals(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\' && i + 1 < text.size()) {
      out += text[i++];
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      const auto word = literal_at(text, i);
      if (!word.empty()) {
        out += fmt::format("\"\\u0001{}\"", word);
        i += word.size() - 1;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

double literal_value(std::string_view word) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return word == "Infinity" ? kInfinity : -kInfinity;
}

void restore_literals(json& value) {
  if (value.is_structured()) {
    for (auto& child : value) restore_literals(child);
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (!text.empty() && text[0] == kMark) value = literal_value(std::string_view(text).substr(1));
  }
}

// One conversion a type: nothing if the value is of another type.
template <typename T>
struct As;

template <>
struct As<bool> {
  static constexpr const char* kName = "true or false";
  static std::optional<bool> from(const json& v) {
    return v.is_boolean() ? std::optional(v.get<bool>()) : std::nullopt;
  }
};

template <>
struct As<int64_t> {
  static constexpr const char* kName = "a whole number";
  static std::optional<int64_t> from(const json& v) {
    if (v.is_number_unsigned() && v.get<uint64_t>() > uint64_t{INT64_MAX}) return std::nullopt;
    if (v.is_number_integer()) return v.get<int64_t>();
    const double number = v.is_number_float() ? v.get<double>() : std::nan("");
    if (std::abs(number) < 9e15 && number == std::floor(number)) return int64_t(number);
    return std::nullopt;
  }
};

template <>
struct As<double> {
  static constexpr const char* kName = "a number";
  static std::optional<double> from(const json& v) {
    return v.is_number() ? std::optional(v.get<double>()) : std::nullopt;
  }
};

template <>
struct As<std::string> {
  static constexpr const char* kName = "a text";
  static std::optional<std::string> from(const json& v) {
    return v.is_string() ? std::optional(v.get<std::string>()) : std::nullopt;
  }
};

template <typename T>
struct As<std::vector<T>> {
  static constexpr const char* kName = "a list";
  static std::optional<std::vector<T>> from(const json& v) {
    if (!v.is_array()) return std::nullopt;
    std::vector<T> out;
    for (const auto& item : v) {
      auto one = As<T>::from(item);
      if (!one) return std::nullopt;
      out.push_back(*std::move(one));
    }
    return out;
  }
};

template <typename T>
struct NameOf {
  static std::string text() { return As<T>::kName; }
};
template <typename T>
struct NameOf<std::vector<T>> {
  static std::string text() { return fmt::format("a list, each item {},", As<T>::kName); }
};

std::string shortened(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    text = std::isnan(value.get<double>()) ? "NaN" : "an infinite number";
  }
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

}  // namespace

json parse_python_json(std::string_view text, const std::string& place) {
  const auto shallow = [&place](int depth, json::parse_event_t, json&) {
    if (depth <= kMaxDepth) return true;
    throw Error(
        Exit::kBadData,
        fmt::format("[config] {}: nested more than {} deep -> configs are shallow -> this is "
                    "another file",
                    place, kMaxDepth));
  };
  try {
    auto value = json::parse(mark_literals(text), shallow);
    restore_literals(value);
    return value;
  } catch (const json::exception& e) {
    std::string what = e.what();  // "[json.exception.parse_error.101] parse error at line 1, ..."
    if (const auto end = what.find("] "); end != std::string::npos) what.erase(0, end + 2);
    throw Error(
        Exit::kBadData,
        fmt::format("[config] {}: {} -> JSON is needed -> the file is damaged or was edited "
                    "by hand; get it again",
                    place, what));
  }
}

json read_json_file(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    throw Error(
        Exit::kMissingInput,
        fmt::format("[config] {}: no such file -> it must stand there -> a wrong path, or an "
                    "incomplete download",
                    file.string()));
  }
  if (::access(file.c_str(), R_OK) != 0 && errno == EACCES) {
    throw Error(Exit::kNoPermission,
                fmt::format("[config] {}: no permission to read it -> its rights -> ask its owner",
                            file.string()));
  }
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (std::filesystem::is_directory(file, ignored) || !in || !(text << in.rdbuf())) {
    throw Error(Exit::kBadData,
                fmt::format("[config] {}: cannot be read, or is empty -> a JSON file is needed -> "
                            "check its rights, or get it again",
                            file.string()));
  }
  return parse_python_json(text.str(), file.string());
}

ComponentConfig ComponentConfig::read(const std::filesystem::path& file) {
  return ComponentConfig(read_json_file(file), file.string());
}

ComponentConfig::ComponentConfig(json values, std::string place)
    : values_(std::make_shared<const json>(std::move(values))), place_(std::move(place)) {
  if (!values_->is_object()) {
    throw Error(Exit::kBadData,
                fmt::format("[config] {}: {} -> a JSON object is needed -> this is another file",
                            place_, shortened(*values_)));
  }
}

std::string ComponentConfig::text() const {
  return values_->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool ComponentConfig::has(const std::string& key) const {
  const auto it = values_->find(key);
  return it != values_->end() && !it->is_null();
}

template <typename T>
std::optional<T> ComponentConfig::find(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  if (auto value = As<T>::from((*values_)[key])) return value;
  refuse(key, fmt::format("{} is needed", NameOf<T>::text()), "another model's config, or an edit");
}

template <>
std::optional<ComponentConfig> ComponentConfig::find(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  return ComponentConfig((*values_)[key], place_ + ": " + key);
}

template std::optional<bool> ComponentConfig::find(const std::string&) const;
template std::optional<int64_t> ComponentConfig::find(const std::string&) const;
template std::optional<double> ComponentConfig::find(const std::string&) const;
template std::optional<std::string> ComponentConfig::find(const std::string&) const;
template std::optional<std::vector<bool>> ComponentConfig::find(const std::string&) const;
template std::optional<std::vector<int64_t>> ComponentConfig::find(const std::string&) const;
template std::optional<std::vector<double>> ComponentConfig::find(const std::string&) const;
template std::optional<std::vector<std::string>> ComponentConfig::find(const std::string&) const;

std::string ComponentConfig::class_name() const {
  if (auto name = find<std::string>("_class_name")) return *name;
  const auto names = get_or<std::vector<std::string>>("architectures", {});
  return names.empty() ? "" : names[0];
}

void ComponentConfig::refuse(const std::string& key, const std::string& requirement,
                             const std::string& cause) const {
  const auto it = values_->find(key);
  const std::string value = it == values_->end() ? "missing" : shortened(*it);
  throw Error(Exit::kBadData, fmt::format("[config] {}: \"{}\" is {} -> {} -> {}", place_, key,
                                          value, requirement, cause));
}

void ComponentConfig::missing(const std::string& key) const {
  refuse(key, "the checkpoint must say it", "another model's config, or an edit");
}

void ComponentConfig::unsupported(const std::string& key) const {
  refuse(key, "this program does not know that kind of model", "a newer or a different checkpoint");
}

}  // namespace trireme
