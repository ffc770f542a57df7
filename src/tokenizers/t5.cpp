#include "src/tokenizers/t5.h"

#include <string>

#include "src/tokenizers/charsmap.h"
#include "src/tokenizers/unicode.h"

namespace trireme {
namespace {

constexpr int64_t kUnknown = 2;  // fixed in transformers, whatever the model file says
constexpr std::string_view kMark = "▁";

RegisteredTokens t5_tokens(const TokenizerFolder& files, const Unigram& unigram) {
  return register_tokens(files.settings, static_cast<int64_t>(files.unigram.pieces.size()),
                         [&](const std::string& token) { return unigram.id(token); });
}

TokenFrame t5_frame(const TokenizerFolder& files, const RegisteredTokens& registered) {
  return {.begin = std::nullopt,
          .end = registered.id(files.settings.find("eos_token")->content),
          .pad = registered.id(files.settings.find("pad_token")->content),
          .max_length = files.settings.max_length};
}

// Each word as the model wants it: "▁word", and cut again before every "▁" inside it.
template <typename Visit>
void for_each_word(std::string_view text, Visit visit) {
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) visit(word);
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const auto next = decode(text, at);
    const auto c = text.substr(at, next.end - at);
    at = next.end;
    if (is_space(next.code)) {
      flush();
      continue;
    }
    if (c == kMark)
      flush();
    else if (word.empty())
      word = kMark;
    word.append(c);
  }
  flush();
}

}  // namespace

T5Tokenizer::T5Tokenizer(const TokenizerFolder& files)
    : T5Tokenizer(files, Unigram(files.unigram.pieces, kUnknown, files.path)) {}

T5Tokenizer::T5Tokenizer(const TokenizerFolder& files, Unigram unigram)
    : T5Tokenizer(files, unigram, t5_tokens(files, unigram)) {}

T5Tokenizer::T5Tokenizer(const TokenizerFolder& files, Unigram unigram,
                         const RegisteredTokens& registered)
    : Tokenizer(t5_frame(files, registered)),
      unigram_(std::move(unigram)),
      added_(registered.tokens, registered.ids, Charsmap(files.unigram.charsmap, files.path)) {}

std::vector<int64_t> T5Tokenizer::text_ids(std::string_view text) const {
  std::vector<int64_t> ids;
  added_.cut(
      text, [&](int64_t id) { ids.push_back(id); },
      [&](std::string_view piece) {
        for_each_word(piece, [&](const std::string& word) { unigram_.append_ids(word, ids); });
      });
  return ids;
}

}  // namespace trireme
