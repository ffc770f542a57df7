#include "src/tokenizers/token_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/tokenizers/files.h"

namespace trireme {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::array kNamedTokens = {"bos_token", "eos_token", "unk_token", "sep_token",
                                     "pad_token", "cls_token", "mask_token"};

// A token is written as its text or as an object.
std::optional<AddedToken> to_token(const json& value) {
  if (value.is_string()) return AddedToken{.content = value, .special = true, .plain = true};
  if (!value.is_object() || !value.contains("content")) return std::nullopt;
  const bool special = value.value("special", false);
  return AddedToken{.content = value.at("content"),
                    .single_word = value.value("single_word", false),
                    .lstrip = value.value("lstrip", false),
                    .rstrip = value.value("rstrip", false),
                    .normalized = value.value("normalized", !special),
                    .special = special};
}

std::optional<std::vector<AddedToken>> to_tokens(const json& object, const char* key) {
  if (!object.contains(key) || object.at(key).is_null()) return std::nullopt;
  std::vector<AddedToken> tokens;
  for (const auto& value : object.at(key))  // a list, or an object of names
    if (auto token = to_token(value)) tokens.push_back(*token);
  return tokens;
}

// special_tokens_map.json overrules the config, unless the config lists its added tokens.
void apply_special_tokens_map(const json& map, json& config, TokenSettings& settings) {
  for (const auto& [key, value] : map.items()) {
    if (key == "additional_special_tokens") {
      settings.additional = to_tokens(map, "additional_special_tokens");
    } else if (value.is_object() && value.contains("content")) {
      config[key] = value;
      config[key]["special"] = true;
    } else {
      config[key] = value;
    }
  }
}

void add_token(TokenSettings& settings, int64_t id, const json& value, const fs::path& folder) {
  const auto token = to_token(value);
  if (!token) throw bad_file(folder, "an added token without content", "tokens with a content");
  settings.added[id] = *token;
}

bool is_named(const json& config, const std::string& content) {
  return std::any_of(kNamedTokens.begin(), kNamedTokens.end(), [&](const char* name) {
    const auto token = config.contains(name) ? to_token(config.at(name)) : std::nullopt;
    return token && token->content == content;
  });
}

void read_added_tokens(const fs::path& folder, const json& tokenizer, json& config,
                       TokenSettings& settings) {
  if (config.contains("added_tokens_decoder")) {
    for (const auto& [id, value] : config.at("added_tokens_decoder").items())
      add_token(settings, std::stoll(id), value, folder);
    return;
  }
  const json map = read_json(folder / "special_tokens_map.json");
  if (map.is_object()) apply_special_tokens_map(map, config, settings);
  const json legacy = read_json(folder / "added_tokens.json");
  if (legacy.is_object())
    for (const auto& [content, id] : legacy.items()) {
      const bool special = is_named(config, content);
      settings.added[id] = {.content = content, .normalized = !special, .special = special};
    }
  if (tokenizer.is_object() && tokenizer.contains("added_tokens"))
    for (const auto& value : tokenizer.at("added_tokens"))
      add_token(settings, value.at("id"), value, folder);
}

void read_named_tokens(const json& config, TokenizerKind kind, TokenSettings& settings) {
  const bool clip = kind == TokenizerKind::kClip;
  const std::map<std::string, std::string> defaults =
      clip ? std::map<std::string, std::string>{{"bos_token", "<|startoftext|>"},
                                                {"eos_token", "<|endoftext|>"},
                                                {"unk_token", "<|endoftext|>"},
                                                {"pad_token", "<|endoftext|>"}}
           : std::map<std::string, std::string>{
                 {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};
  for (const std::string name : kNamedTokens) {
    std::optional<AddedToken> token;
    if (config.contains(name)) token = to_token(config.at(name));
    if (!token && defaults.contains(name))
      token = AddedToken{.content = defaults.at(name), .special = true, .plain = true};
    if (!token) continue;
    for (const auto& [id, added] : settings.added)
      if (added.content == token->content) token = added;
    settings.named.emplace_back(name, *token);
  }
}

// Settings that transformers knows and no released checkpoint of these models uses.
void refuse_rare_settings(const fs::path& folder, const json& config) {
  const auto refuse = [&](const std::string& key, const std::string& value) {
    return bad_file(folder / "tokenizer_config.json", fmt::format("{}: {}", key, value),
                    "the default, as in every released checkpoint");
  };
  for (const char* side : {"padding_side", "truncation_side"})
    if (config.value(side, "right") != "right") throw refuse(side, "left");
  if (config.value("split_special_tokens", false)) throw refuse("split_special_tokens", "true");
}

}  // namespace

TokenSettings read_settings(const fs::path& folder, const json& tokenizer, json config,
                            TokenizerKind kind) {
  TokenSettings settings;
  settings.extra = to_tokens(config, "extra_special_tokens");
  if (!settings.extra || settings.extra->empty())
    if (auto additional = to_tokens(config, "additional_special_tokens"))
      settings.extra = std::move(additional);
  read_added_tokens(folder, tokenizer, config, settings);
  read_named_tokens(config, kind, settings);
  settings.extra_ids = config.value("extra_ids", int64_t{100});
  const json length = config.value("model_max_length", config.value("max_len", json()));
  // "No limit" is written as 10^30.
  settings.max_length = length.is_number() && length.get<double>() < 1e15
                            ? length.get<int64_t>()
                            : std::numeric_limits<int64_t>::max();
  refuse_rare_settings(folder, config);
  return settings;
}

std::vector<AddedToken> sentinels(int64_t count) {
  std::vector<AddedToken> tokens;
  for (int64_t i = count - 1; i >= 0; --i)
    tokens.push_back({.content = fmt::format("<extra_id_{}>", i), .special = true, .plain = true});
  return tokens;
}

// T5Tokenizer always knows its sentinels, unless the folder names some itself.
void add_sentinels(TokenSettings& settings) {
  auto& additional = settings.additional;
  if (!additional) additional.emplace();
  const bool named = std::any_of(additional->begin(), additional->end(), [](const auto& token) {
    return token.content.find("<extra_id_") != std::string::npos;
  });
  if (named) return;
  const auto extra = sentinels(settings.extra_ids);
  additional->insert(additional->end(), extra.rbegin(), extra.rend());
}

const AddedToken* TokenSettings::find(const std::string& name) const {
  for (const auto& [key, token] : named)
    if (key == name) return &token;
  return nullptr;
}

int64_t RegisteredTokens::id(const std::string& content) const {
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i].content == content) return ids[i];
  return -1;
}

RegisteredTokens register_tokens(const TokenSettings& settings, int64_t vocabulary_size,
                                 const std::function<int64_t(const std::string&)>& id_of) {
  RegisteredTokens result;
  int64_t next = vocabulary_size;
  const auto add = [&](const AddedToken& token) {
    if (token.content.empty()) return;
    int64_t id = result.id(token.content);
    if (id < 0) id = id_of(token.content);
    if (id < 0) id = next++;
    result.tokens.push_back(token);
    result.ids.push_back(id);
  };
  for (const auto& [id, token] : settings.added) add(token);
  const std::vector<AddedToken> listed = result.tokens;
  // One content may come twice, with properties and as plain text: transformers then lets the
  // later one win.
  const auto add_new = [&](const AddedToken& token) {
    const bool is_listed = std::any_of(listed.begin(), listed.end(), [&](const auto& other) {
      return other.content == token.content;
    });
    const auto& all = result.tokens;
    if (!is_listed && std::find(all.begin(), all.end(), token) == all.end()) add(token);
  };
  for (const auto& [name, token] : settings.named) add_new(token);
  const auto& extra = settings.extra ? settings.extra : settings.additional;
  for (const auto& token : extra.value_or(std::vector<AddedToken>{})) add_new(token);
  return result;
}

}  // namespace trireme
