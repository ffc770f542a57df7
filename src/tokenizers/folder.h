// What a tokenizer folder says, whichever of its forms it has: vocab.json + merges.txt or
// spiece.model as first released, or tokenizer.json as transformers 5 saves it (which wins where
// both are there, as in transformers). Plain values; nothing is tokenised here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/tokenizers/added_tokens.h"

namespace trireme {

enum class TokenizerKind { kClip, kT5 };

// The parts of tokenizer_config.json, special_tokens_map.json and added_tokens that matter.
struct TokenSettings {
  std::map<int64_t, AddedToken> added;                          // by id, as the folder gives them
  std::vector<std::pair<std::string, AddedToken>> named;        // bos_token, eos_token, ... in order
  std::optional<std::vector<AddedToken>> extra;                 // extra_special_tokens
  std::optional<std::vector<AddedToken>> additional;            // additional_special_tokens
  int64_t extra_ids = 100;                                      // T5's sentinels
  int64_t max_length = 0;
  bool split_special = false;  // special tokens in a text are plain text

  const AddedToken* find(const std::string& name) const;
};

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

// All tokens to cut out, in transformers' order, with ids: those of the vocabulary where they are
// in it (`id_of` returns -1 where not), else new ones from `vocabulary_size` on.
struct RegisteredTokens {
  std::vector<AddedToken> tokens;
  std::vector<int64_t> ids;

  int64_t id(const std::string& content) const;  // -1 if not there
};
RegisteredTokens register_tokens(const TokenSettings& settings, int64_t vocabulary_size,
                                 const std::function<int64_t(const std::string&)>& id_of);

}  // namespace trireme
