#include "src/tokenizers/folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "parallel/error.h"
#include "src/tokenizers/spiece.h"

namespace trireme {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::array kNamedTokens = {"bos_token", "eos_token", "unk_token", "sep_token",
                                     "pad_token", "cls_token", "mask_token"};

Error bad_file(const fs::path& file, const std::string& what, const std::string& wanted) {
  return Error(Exit::kBadData, fmt::format("[{}] {} -> {} -> the file is damaged or of another "
                                           "model",
                                           file.string(), what, wanted));
}

std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream)
    throw Error(Exit::kMissingInput, fmt::format("[{}] cannot be read -> a readable file -> its "
                                                 "permissions, or a dangling link",
                                                 file.string()));
  return text.str();
}

// null if the file is not there.
json read_json(const fs::path& file) {
  if (!fs::exists(file)) return nullptr;
  json value = json::parse(read_text(file), nullptr, false);
  if (!value.is_object()) throw bad_file(file, "not a JSON object", "a JSON object");
  return value;
}

// A token is written as its text or as an object.
std::optional<AddedToken> to_token(const json& value) {
  if (value.is_string()) return AddedToken{.content = value, .special = true};
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
      const bool special = std::any_of(kNamedTokens.begin(), kNamedTokens.end(), [&](auto name) {
        return config.contains(name) && to_token(config.at(name)).value_or(AddedToken{}).content == content;
      });
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
      token = AddedToken{.content = defaults.at(name), .special = true};
    if (!token) continue;
    for (const auto& [id, added] : settings.added)
      if (added.content == token->content) token = added;
    settings.named.emplace_back(name, *token);
  }
}

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
  settings.split_special = config.value("split_special_tokens", false);
  for (const char* side : {"padding_side", "truncation_side"})
    if (config.value(side, "right") != "right")
      throw bad_file(folder / "tokenizer_config.json", fmt::format("{}: left", side),
                     "right, as in every released checkpoint");
  return settings;
}

BpeFiles read_bpe(const fs::path& folder) {
  BpeFiles bpe;
  const json vocabulary = read_json(folder / "vocab.json");
  for (const auto& [token, id] : vocabulary.items())
    bpe.vocabulary.emplace(token, id.get<int64_t>());
  std::istringstream lines(read_text(folder / "merges.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
      throw bad_file(folder / "merges.txt", fmt::format("\"{}\"", line), "two symbols a line");
    bpe.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return bpe;
}

BpeFiles read_bpe(const json& model) {
  BpeFiles bpe;
  for (const auto& [token, id] : model.at("vocab").items())
    bpe.vocabulary.emplace(token, id.get<int64_t>());
  for (const auto& merge : model.at("merges")) {
    if (merge.is_array()) {
      bpe.merges.emplace_back(merge.at(0), merge.at(1));
    } else {
      const std::string pair = merge;
      const size_t space = pair.find(' ');
      bpe.merges.emplace_back(pair.substr(0, space), pair.substr(space + 1));
    }
  }
  return bpe;
}

std::string decode_base64(const std::string& text, const fs::path& folder) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=' || c == '\n') continue;
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos)
      throw bad_file(folder / "tokenizer.json", "precompiled_charsmap", "base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>(bits >> held & 0xFF));
  }
  return bytes;
}

// The table may stand alone or in a sequence of normalisers; the others are T5Tokenizer's own.
std::string find_charsmap(const json& tokenizer, const fs::path& folder) {
  if (!tokenizer.contains("normalizer") || !tokenizer.at("normalizer").is_object()) return "";
  const json& normalizer = tokenizer.at("normalizer");
  const json steps = normalizer.value("normalizers", json::array({normalizer}));
  for (const auto& step : steps)
    if (step.value("type", "") == "Precompiled" && step.contains("precompiled_charsmap") &&
        step.at("precompiled_charsmap").is_string())
      return decode_base64(step.at("precompiled_charsmap"), folder);
  return "";
}

UnigramFiles read_unigram(const json& tokenizer, const fs::path& folder) {
  UnigramFiles unigram;
  for (const auto& entry : tokenizer.at("model").at("vocab"))
    unigram.pieces.emplace_back(entry.at(0), entry.at(1));
  unigram.charsmap = find_charsmap(tokenizer, folder);
  return unigram;
}

std::vector<AddedToken> sentinels(int64_t count) {
  std::vector<AddedToken> tokens;
  for (int64_t i = count - 1; i >= 0; --i)
    tokens.push_back({.content = fmt::format("<extra_id_{}>", i), .special = true});
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

TokenizerKind find_kind(const fs::path& folder, const json& config, const json& tokenizer) {
  const std::string name = config.value("tokenizer_class", "");
  if (name.starts_with("CLIP")) return TokenizerKind::kClip;
  if (name.starts_with("T5")) return TokenizerKind::kT5;
  if (!name.empty() && name != "PreTrainedTokenizerFast" && name != "TokenizersBackend")
    throw bad_file(folder / "tokenizer_config.json", fmt::format("tokenizer_class: {}", name),
                   "CLIPTokenizer or T5Tokenizer");
  if (tokenizer.is_object())
    return tokenizer.at("model").value("type", "") == "Unigram" ? TokenizerKind::kT5
                                                                 : TokenizerKind::kClip;
  return fs::exists(folder / "spiece.model") ? TokenizerKind::kT5 : TokenizerKind::kClip;
}

Error missing(const fs::path& folder) {
  const bool there = fs::is_directory(folder);
  return Error(Exit::kMissingInput,
               fmt::format("[{}] {} -> a tokenizer: vocab.json and merges.txt (CLIP), spiece.model "
                           "(T5), or tokenizer.json -> {}",
                           folder.string(), there ? "no vocabulary in it" : "no such folder",
                           there ? "a download without these files"
                                 : "a wrong path, or a checkpoint without tokenizers"));
}

void read_vocabulary(const json& tokenizer, TokenizerFolder& result) {
  const auto& folder = result.path;
  if (result.kind == TokenizerKind::kClip) {
    result.bpe = tokenizer.is_object() ? read_bpe(tokenizer.at("model")) : read_bpe(folder);
    return;
  }
  if (tokenizer.is_object()) {
    result.unigram = read_unigram(tokenizer, folder);
  } else {
    auto file = read_sentencepiece(folder / "spiece.model");
    result.unigram = std::move(file.unigram);
    result.settings.additional = std::move(file.added);
    for (const auto& token : sentinels(result.settings.extra_ids))
      result.unigram.pieces.emplace_back(token.content, 0.0);
  }
  add_sentinels(result.settings);
}

}  // namespace

const AddedToken* TokenSettings::find(const std::string& name) const {
  for (const auto& [key, token] : named)
    if (key == name) return &token;
  return nullptr;
}

TokenizerFolder read_tokenizer_folder(const fs::path& folder) {
  const bool clip = fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt");
  const bool t5 = fs::exists(folder / "spiece.model");
  const bool saved = fs::exists(folder / "tokenizer.json");
  if (!clip && !t5 && !saved) throw missing(folder);
  try {
    const json tokenizer = read_json(folder / "tokenizer.json");
    json config = read_json(folder / "tokenizer_config.json");
    if (!config.is_object()) config = json::object();
    TokenizerFolder result{folder, find_kind(folder, config, tokenizer), {}, {}, {}};
    if (!saved && (result.kind == TokenizerKind::kClip ? !clip : !t5)) throw missing(folder);
    result.settings = read_settings(folder, tokenizer, config, result.kind);
    read_vocabulary(tokenizer, result);
    return result;
  } catch (const json::exception& error) {
    throw bad_file(folder, error.what(), "tokenizer files as transformers writes them");
  }
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
  for (const auto& [name, token] : settings.named)
    if (result.id(token.content) < 0) add(token);
  const auto& extra = settings.extra ? settings.extra : settings.additional;
  for (const auto& token : extra.value_or(std::vector<AddedToken>{}))
    if (result.id(token.content) < 0) add(token);
  return result;
}

}  // namespace trireme
