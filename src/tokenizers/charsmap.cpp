#include "src/tokenizers/charsmap.h"

#include <fmt/format.h>

#include <cstring>

#include "parallel/error.h"
#include "src/tokenizers/unicode.h"

namespace trireme {
namespace {

// A unit of the double array.
bool has_leaf(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t value(uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
uint32_t label(uint32_t unit) {
  return unit & 0x800000FF;
}
uint32_t offset(uint32_t unit) {
  return unit >> 10 << ((unit & 1U << 9) >> 6);
}

uint32_t little_endian(std::string_view bytes) {
  uint32_t number = 0;
  for (int i = 3; i >= 0; --i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

}  // namespace

Charsmap::Charsmap(std::string_view table, const std::filesystem::path& folder) {
  if (table.empty()) return;
  const uint32_t bytes = table.size() < 4 ? UINT32_MAX : little_endian(table);
  if (bytes == 0 || bytes % 4 != 0 || bytes > table.size() - 4)
    throw Error(Exit::kBadData,
                fmt::format("[{}] a normalisation table of {} bytes -> its own length in its first "
                            "four bytes -> the tokenizer's file is damaged",
                            folder.string(), table.size()));
  for (size_t at = 4; at < 4 + size_t{bytes}; at += 4)
    trie_.push_back(little_endian(table.substr(at)));
  replacements_ = table.substr(4 + size_t{bytes});
  replacements_.push_back('\0');  // the last string ends here even in a damaged table
}

std::optional<std::string_view> Charsmap::replacement(std::string_view chunk) const {
  uint32_t node = offset(trie_[0]);
  for (const char c : chunk) {
    if (c == '\0') break;
    node ^= static_cast<unsigned char>(c);
    if (node >= trie_.size() || label(trie_[node]) != static_cast<unsigned char>(c)) break;
    const uint32_t unit = trie_[node];
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (node >= trie_.size() || value(trie_[node]) >= replacements_.size()) break;
    return std::string_view(replacements_.c_str() + value(trie_[node]));
  }
  return std::nullopt;
}

std::string Charsmap::operator()(std::string_view text) const {
  if (trie_.empty()) return std::string(text);
  constexpr size_t kLongestCluster = 5;  // bytes; longer clusters go character by character
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t end = grapheme_end(text, at);
    const auto whole =
        end - at <= kLongestCluster ? replacement(text.substr(at, end - at)) : std::nullopt;
    if (whole) result.append(*whole);
    while (!whole && at < end) {
      const auto next = decode(text, at);
      const auto chunk = text.substr(at, next.end - at);
      result.append(replacement(chunk).value_or(chunk));
      at = next.end;
    }
    at = end;
  }
  return result;
}

}  // namespace trireme
