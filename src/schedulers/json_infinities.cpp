#include "src/schedulers/json_infinities.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <utility>

#include "parallel/error.h"

namespace trireme {
namespace {

// A bare word travels through the strict parser as a string that begins with this control
// character, which no file may hold unescaped.
constexpr char kMark = '\x01';
constexpr std::string_view kEscapedMark = "\\u0001";

constexpr std::array<std::pair<std::string_view, double>, 3> kWords{{
    {"-Infinity", -std::numeric_limits<double>::infinity()},
    {"Infinity", std::numeric_limits<double>::infinity()},
    {"NaN", std::numeric_limits<double>::quiet_NaN()},
}};

std::string quote_bare_words(std::string_view text) {
  std::string quoted;
  bool inside_string = false;
  for (size_t at = 0; at < text.size();) {
    if (inside_string && text[at] == '\\' && at + 1 < text.size()) {
      quoted.append(text.substr(at, 2));
      at += 2;
      continue;
    }
    if (text[at] == '"') inside_string = !inside_string;
    std::string_view word;
    if (!inside_string) {
      for (const auto& [name, value] : kWords) {
        if (text.substr(at).starts_with(name)) word = name;
      }
    }
    if (word.empty()) {
      quoted.push_back(text[at++]);
    } else {
      quoted.append(fmt::format("\"{}{}\"", kEscapedMark, word));
      at += word.size();
    }
  }
  return quoted;
}

void restore_numbers(nlohmann::json& value) {
  if (value.is_structured()) {
    for (auto& child : value) restore_numbers(child);
  } else if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    if (text.empty() || text.front() != kMark) return;
    for (const auto& [name, number] : kWords) {
      if (std::string_view(text).substr(1) == name) {
        value = number;
        return;
      }
    }
  }
}

}  // namespace

nlohmann::json parse_json_with_infinities(std::string_view text, const std::string& place) {
  try {
    auto value = nlohmann::json::parse(quote_bare_words(text));
    restore_numbers(value);
    return value;
  } catch (const nlohmann::json::parse_error& error) {
    throw Error(Exit::kBadData,
                fmt::format("[{}] {} -> must be JSON -> the file may be cut short or "
                            "not be a configuration at all",
                            place, error.what()));
  }
}

}  // namespace trireme
