// What the small JSON files of a tokenizer folder say about special tokens, and the list of tokens
// to cut out of a text that transformers makes of it. Plain values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/tokenizers/added_tokens.h"

namespace trireme {

enum class TokenizerKind { kClip, kT5 };

// The parts of tokenizer_config.json, special_tokens_map.json and added_tokens that matter.
struct TokenSettings {
  std::map<int64_t, AddedToken> added;                    // by id, as the folder gives them
  std::vector<std::pair<std::string, AddedToken>> named;  // bos_token, eos_token, ... in order
  std::optional<std::vector<AddedToken>> extra;           // extra_special_tokens
  std::optional<std::vector<AddedToken>> additional;      // additional_special_tokens
  int64_t extra_ids = 100;                                // T5's sentinels
  int64_t max_length = 0;

  const AddedToken* find(const std::string& name) const;
};

// `tokenizer` is tokenizer.json or null, `config` tokenizer_config.json or {}.
TokenSettings read_settings(const std::filesystem::path& folder, const nlohmann::json& tokenizer,
                            nlohmann::json config, TokenizerKind kind);

// T5's <extra_id_99> ... <extra_id_0>, in the order of their ids.
std::vector<AddedToken> sentinels(int64_t count);

// Adds them to the additional tokens, unless those name sentinels themselves.
void add_sentinels(TokenSettings& settings);

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
