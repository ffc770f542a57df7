// Unicode as the Hugging Face tokenizers see it: decoding, the classes their patterns use, lower
// case and NFC. Text is UTF-8 everywhere, checked once by require_utf8; the other functions take
// checked text. The tables are ICU's; what Unicode added after ICU 72 stands in unicode.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace trireme {

// Throws Error(kBadData) that names the first bad byte and its offset. `place` is what the user
// wrote the text in, such as "prompt" or "prompts.jsonl:7".
void require_utf8(std::string_view text, std::string_view place = "prompt");

struct Char {
  char32_t code;
  size_t end;  // offset of the next character
};
Char decode(std::string_view text, size_t at);
void append_utf8(std::string& text, char32_t code);

bool is_letter(char32_t code);  // \p{L}
bool is_number(char32_t code);  // \p{N}
bool is_space(char32_t code);   // White_Space
bool is_word(char32_t code);    // \w: letters, marks, decimal digits, connectors, joiners

// Lower case of one character, without looking at its neighbours (no final sigma).
void append_lower(std::string& text, char32_t code);

// Grapheme clusters: the offset at which the cluster that starts at `at` ends.
size_t grapheme_end(std::string_view text, size_t at);

// Canonical composition by the tables of Unicode 9, the version behind `tokenizers`: characters
// assigned later stand still.
class Nfc {
 public:
  Nfc();
  std::string operator()(std::string_view text) const;

 private:
  struct Icu;
  std::shared_ptr<const Icu> icu_;
};

}  // namespace trireme
