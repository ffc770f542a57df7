// What a tokenizer folder says, whichever of its forms it has: vocab.json + merges.txt or
// spiece.model as first released, or tokenizer.json as transformers 5 saves it (which wins where
// both are there, as in transformers). Plain values; nothing is tokenised here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/tokenizers/token_settings.h"

namespace trireme {

struct BpeFiles {
  std::unordered_map<std::string, int64_t> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;
};

struct UnigramFiles {
  std::vector<std::pair<std::string, double>> pieces;  // [id] -> piece, score
  std::string charsmap;                                // sentencepiece's normalisation table, or ""
};

struct TokenizerFolder {
  std::filesystem::path path;
  TokenizerKind kind;
  TokenSettings settings;
  BpeFiles bpe;          // kClip
  UnigramFiles unigram;  // kT5
};

TokenizerFolder read_tokenizer_folder(const std::filesystem::path& folder);

}  // namespace trireme
