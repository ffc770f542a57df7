// The tests' door to prompt clean-up: `clean_prompt clean_caption|lower_strip` reads one JSON string a
// line and writes one.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "src/tokenizers/clean_caption.h"

int main(int argc, char** argv) try {
  const bool clean = argc > 1 && std::string(argv[1]) == "clean_caption";
  const trireme::CaptionCleaner cleaner;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string text = nlohmann::json::parse(line);
    std::cout << nlohmann::json(clean ? cleaner(text) : trireme::lower_strip(text)).dump() << '\n';
  }
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
