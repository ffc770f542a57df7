// Bpe: byte-level byte-pair encoding with CLIP's `</w>` on the last symbol of a word. Owns the
// merges and the ids of the 2 x 256 single symbols. Takes near linear time on words of any length.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "src/tokenizers/folder.h"

namespace trireme {

class Bpe {
 public:
  // `unknown` stands for single symbols that the vocabulary lacks; its absence then is an error.
  Bpe(const BpeFiles& files, const std::string& unknown, const std::filesystem::path& folder);

  void append_ids(std::string_view word, std::vector<int64_t>& ids) const;

 private:
  struct Merge {
    uint32_t rank;
    uint32_t id;
  };

  std::array<uint32_t, 256> inner_;  // byte inside a word
  std::array<uint32_t, 256> last_;   // byte that ends a word
  std::unordered_map<uint64_t, Merge> merges_;
};

}  // namespace trireme
