// Unigram: the segmentation of a word into the pieces of highest total score. sentencepiece adds
// scores in float, `tokenizers` in double; ties ("aaaa" as aa-a-a, a-aa-a or a-a-aa) are broken by
// the rounding, so this one is double. Takes time linear in the word.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace trireme {

class Unigram {
 public:
  // pieces[id] is a piece and its score; runs of characters that no piece holds become `unknown`.
  Unigram(const std::vector<std::pair<std::string, double>>& pieces, int64_t unknown,
          const std::filesystem::path& folder);

  void append_ids(std::string_view word, std::vector<int64_t>& ids) const;
  int64_t id(const std::string& piece) const;  // -1 if there is none

 private:
  struct Step;  // the best way to reach an offset
  std::vector<Step> best_path(std::string_view word) const;

  std::unordered_map<std::string, int64_t> ids_;
  std::vector<double> scores_;
  std::unordered_map<uint64_t, uint32_t> children_;  // node << 8 | byte -> node
  std::vector<int64_t> piece_at_;                    // [node] -> id, or -1
  int64_t unknown_;
  double unknown_score_;
};

}  // namespace trireme
