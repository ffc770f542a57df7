// make_png HEIGHT WIDTH TEXTS.json ROWS_AT_ONCE: raw RGB from standard input to a PNG on standard
// output. TEXTS.json is a list of [key, text].
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "src/image/png.h"

int main(int argc, char** argv) {
  if (argc != 5) return 64;
  const trireme::PngSize size{std::stoll(argv[1]), std::stoll(argv[2])};
  std::ifstream file(argv[3]);
  std::vector<trireme::PngText> texts;
  for (const auto& item : nlohmann::json::parse(file)) {
    texts.push_back({item.at(0).get<std::string>(), item.at(1).get<std::string>()});
  }
  const std::vector<char> raw{std::istreambuf_iterator<char>(std::cin), {}};
  const std::span<const std::uint8_t> pixels(reinterpret_cast<const std::uint8_t*>(raw.data()),
                                             raw.size());
  trireme::PngWriter writer([](std::string_view bytes) { std::cout << bytes; }, size, texts);
  const auto step = static_cast<std::size_t>(size.width * 3 * std::stoll(argv[4]));
  for (std::size_t at = 0; at < pixels.size(); at += step) {
    writer.rows(pixels.subspan(at, std::min(step, pixels.size() - at)));
  }
  writer.finish();
}
