#include "src/tokenizers/folder.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "parallel/error.h"
#include "src/tokenizers/files.h"
#include "src/tokenizers/spiece.h"

namespace trireme {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

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

}  // namespace trireme
