// Charsmap: the normalisation table inside a sentencepiece model (nmt_nfkc and its kin), applied
// the way `tokenizers` applies it: by grapheme clusters, the shortest entry replacing the whole
// cluster. sentencepiece itself takes the longest entry, so the two differ on rare sequences and
// pictures follow `tokenizers`. An empty table changes nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {

class Charsmap {
 public:
  // Throws Error(kBadData) that names `folder` if the table is damaged.
  Charsmap(std::string_view table, const std::filesystem::path& folder);

  std::string operator()(std::string_view text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view chunk) const;

  std::vector<uint32_t> trie_;  // a double array in darts-clone's layout
  std::string replacements_;    // NUL-terminated strings
};

}  // namespace trireme
