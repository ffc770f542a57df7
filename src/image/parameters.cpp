#include "src/image/parameters.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

namespace trireme {
namespace {

// The readers split at commas and colons, so a value with one of them is quoted as JSON.
std::string quoted(const std::string& value) {
  if (value.find_first_of(",:\n") == std::string::npos) return value;
  return nlohmann::json(value).dump();
}

// A PNG text ends at its first NUL; the JSON text beside this one keeps the prompt exactly.
std::string without_nul(std::string text) {
  for (auto at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) {
    text.replace(at, 1, "\uFFFD");
  }
  return text;
}

std::string stripped(const std::string& text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string fields_line(const PictureFacts& facts) {
  std::string line;
  const auto add = [&line](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    line += fmt::format("{}{}: {}", line.empty() ? "" : ", ", name, quoted(value));
  };
  if (facts.steps) add("Steps", fmt::to_string(*facts.steps));
  add("Sampler", facts.sampler);
  if (facts.guidance_scale) add("CFG scale", fmt::format("{}", *facts.guidance_scale));
  add("Seed", facts.seed);
  if (facts.width > 0) add("Size", fmt::format("{}x{}", facts.width, facts.height));
  add("Model", facts.model);
  for (const auto& [name, value] : facts.more) add(name, value);
  add("Version", "trireme");
  return line;
}

}  // namespace

std::string a1111_parameters(const PictureFacts& facts) {
  const std::string negative =
      facts.negative_prompt.empty() ? "" : "\nNegative prompt: " + facts.negative_prompt;
  return stripped(without_nul(fmt::format("{}{}\n{}", facts.prompt, negative, fields_line(facts))));
}

}  // namespace trireme
