#include "src/tokenizers/clip.h"

#include <array>

namespace trireme {
namespace {

constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t",  "'re", "'ve",
                                                           "'m", "'ll", "'d"};
// The pattern has these whole, then ByteLevel's own pattern breaks them at the brackets. So they
// matter only for where the next word starts.
constexpr std::array<std::string_view, 2> kLiterals = {"<|startoftext|>", "<|endoftext|>"};

enum class Class { kSpace, kLetter, kNumber, kOther };

Class class_of(char32_t code) {
  if (code < 0x80) {
    const char32_t lower = code | 0x20;
    if (lower >= 'a' && lower <= 'z') return Class::kLetter;
    if (code >= '0' && code <= '9') return Class::kNumber;
    return is_space(code) ? Class::kSpace : Class::kOther;
  }
  if (is_letter(code)) return Class::kLetter;
  if (is_number(code)) return Class::kNumber;
  return is_space(code) ? Class::kSpace : Class::kOther;
}

size_t run_end(std::string_view text, size_t at, Class wanted) {
  while (at < text.size()) {
    const auto next = decode(text, at);
    if (class_of(next.code) != wanted) break;
    at = next.end;
  }
  return at;
}

// The end of the word that starts at `at`, which is no white space.
size_t word_end(std::string_view text, size_t at) {
  const auto rest = text.substr(at);
  for (const auto contraction : kContractions)
    if (rest.starts_with(contraction)) return at + contraction.size();
  const auto first = decode(text, at);
  const Class kind = class_of(first.code);
  return kind == Class::kNumber ? first.end : run_end(text, first.end, kind);
}

}  // namespace

std::string clip_normalize(const Nfc& nfc, std::string_view text) {
  const std::string composed = nfc(text);
  std::string result;
  result.reserve(composed.size());
  for (size_t at = 0; at < composed.size();) {
    const auto next = decode(composed, at);
    if (is_space(next.code)) {
      result.push_back(' ');
      at = run_end(composed, next.end, Class::kSpace);
    } else {
      append_lower(result, next.code);
      at = next.end;
    }
  }
  return result;
}

std::vector<std::string_view> clip_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    size_t literal = 0;
    for (const auto name : kLiterals)
      if (text.substr(at).starts_with(name)) literal = name.size();
    if (literal != 0) {
      words.insert(words.end(), {text.substr(at, 2), text.substr(at + 2, literal - 4),
                                 text.substr(at + literal - 2, 2)});
      at += literal;
      continue;
    }
    const size_t end = word_end(text, at);
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

namespace {

RegisteredTokens clip_tokens(const TokenizerFolder& files) {
  const auto& vocabulary = files.bpe.vocabulary;
  return register_tokens(files.settings, static_cast<int64_t>(vocabulary.size()),
                         [&](const std::string& token) {
                           const auto found = vocabulary.find(token);
                           return found == vocabulary.end() ? -1 : found->second;
                         });
}

TokenFrame clip_frame(const TokenizerFolder& files, const RegisteredTokens& registered) {
  const auto id = [&](const char* name) {
    return registered.id(files.settings.find(name)->content);
  };
  return {.begin = id("bos_token"),
          .end = id("eos_token"),
          .pad = id("pad_token"),
          .max_length = files.settings.max_length};
}

}  // namespace

ClipTokenizer::ClipTokenizer(const TokenizerFolder& files)
    : ClipTokenizer(files, clip_tokens(files)) {}

ClipTokenizer::ClipTokenizer(const TokenizerFolder& files, const RegisteredTokens& registered)
    : Tokenizer(clip_frame(files, registered)),
      added_(registered.tokens, registered.ids,
             [nfc = Nfc()](std::string_view text) { return clip_normalize(nfc, text); }),
      bpe_(files.bpe, files.settings.find("unk_token")->content, files.path) {}

std::vector<int64_t> ClipTokenizer::text_ids(std::string_view text) const {
  std::vector<int64_t> ids;
  added_.cut(
      text, [&](int64_t id) { ids.push_back(id); },
      [&](std::string_view piece) {
        for (const auto word : clip_words(piece)) bpe_.append_ids(word, ids);
      });
  return ids;
}

}  // namespace trireme
