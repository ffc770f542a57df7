// The tests' door to the tokenizers: `tokenize FOLDER [LENGTH]` reads one JSON string a line and
// writes one JSON list of ids a line, padded and truncated if LENGTH is given.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "src/tokenizers/tokenizer.h"

int main(int argc, char** argv) try {
  const auto tokenizer = trireme::load_tokenizer(argv[1]);
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    const std::string text = nlohmann::json::parse(line);
    const auto ids =
        argc > 2 ? tokenizer->encode(text, std::stoll(argv[2])).ids : tokenizer->ids(text);
    std::cout << nlohmann::json(ids).dump() << '\n';
  }
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
