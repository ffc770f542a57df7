// HTML's character references (&eacute; &#233;) the three ways that captions meet them: one by one
// in mark-up, Python's html.unescape, and ftfy's careful one. Names are looked up in lower case
// only, as captions are lowered first. Internal to this folder: the header speaks ICU.
#pragma once

#include <unicode/unistr.h>

#include <string>
#include <unordered_map>

#include "src/tokenizers/python_text.h"

namespace trireme {

class HtmlReferences {
 public:
  HtmlReferences();

  // The characters of a name without & and ;, nullptr if HTML has no such name.
  const icu::UnicodeString* find(const icu::UnicodeString& name) const;

  // Python's html.unescape: also without semicolons, and the longest known beginning of a name.
  icu::UnicodeString unescape(const icu::UnicodeString& text) const;
  // ftfy's: only whole references that end in a semicolon.
  icu::UnicodeString unescape_whole(const icu::UnicodeString& text) const;

 private:
  struct Entity {
    icu::UnicodeString text;
    bool bare;  // known without its semicolon
  };

  const Entity* find_entity(const icu::UnicodeString& name) const;
  icu::UnicodeString replace_reference(const icu::UnicodeString& name) const;

  std::unordered_map<std::string, Entity> entities_;
  PythonRegex reference_{R"(&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?))"};
  PythonRegex whole_{R"(&#?[0-9A-Za-z]{1,24};)"};
};

// The character of "233" or "xe9"; U+FFFD if there is none.
icu::UnicodeString html_character(const icu::UnicodeString& digits);

// What HTML makes of the code points 0x80 to 0x9F: the characters of Windows-1252.
char32_t windows_1252(char32_t code);

}  // namespace trireme
