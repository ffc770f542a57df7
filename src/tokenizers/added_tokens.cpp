#include "src/tokenizers/added_tokens.h"

#include <algorithm>

#include "src/tokenizers/unicode.h"

namespace trireme {
namespace {

// The last character that starts before `end`.
char32_t char_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return decode(text, at).code;
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size()) {
    const auto next = decode(text, at);
    if (!is_space(next.code)) break;
    at = next.end;
  }
  return at;
}

size_t skip_space_back(std::string_view text, size_t end, size_t begin) {
  while (end > begin && is_space(char_before(text, end))) {
    --end;
    while (end > begin && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  }
  return end;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !is_word(char_before(text, begin))) &&
         (end == text.size() || !is_word(decode(text, end).code));
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, const std::vector<int64_t>& ids,
                         Normalize normalize)
    : normalize_(std::move(normalize)) {
  std::map<int64_t, AddedToken> by_id;
  for (size_t i = 0; i < tokens.size(); ++i) by_id[ids[i]] = tokens[i];
  for (const auto& [id, token] : by_id) {
    const std::string pattern = token.normalized ? normalize_(token.content) : token.content;
    if (pattern.empty()) continue;
    auto& patterns = token.normalized ? normalized_ : as_written_;
    patterns[pattern.front()].push_back({pattern, token, id});
  }
  for (auto* patterns : {&as_written_, &normalized_})
    for (auto& [first, entries] : *patterns)
      std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return a.pattern.size() > b.pattern.size();
      });
}

const AddedTokens::Entry* AddedTokens::match(const Patterns& patterns, std::string_view text,
                                             size_t at) {
  const auto found = patterns.find(text[at]);
  if (found == patterns.end()) return nullptr;
  for (const auto& entry : found->second)
    if (text.substr(at, entry.pattern.size()) == entry.pattern) return &entry;
  return nullptr;
}

void AddedTokens::split(const Patterns& patterns, std::string_view text,
                        const std::function<void(int64_t)>& on_token,
                        const std::function<void(std::string_view)>& on_text) {
  size_t done = 0;
  for (size_t at = 0; !patterns.empty() && at < text.size();) {
    const Entry* entry = match(patterns, text, at);
    if (entry == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + entry->pattern.size();
    at = end;
    if (entry->token.single_word && !stands_alone(text, begin, end)) continue;
    if (entry->token.lstrip) begin = skip_space_back(text, begin, done);
    if (entry->token.rstrip) end = skip_space(text, end);
    if (done < begin) on_text(text.substr(done, begin - done));
    on_token(entry->id);
    done = end;
  }
  if (done < text.size()) on_text(text.substr(done));
}

void AddedTokens::cut(std::string_view text, const std::function<void(int64_t)>& on_token,
                      const std::function<void(std::string_view)>& on_text) const {
  split(as_written_, text, on_token,
        [&](std::string_view piece) { split(normalized_, normalize_(piece), on_token, on_text); });
}

}  // namespace trireme
