// HTML to text as BeautifulSoup(..., "html.parser").text gives it, and HTML's character references.
// Tags, comments, scripts and styles vanish, text stays, malformed mark-up is text. Internal to
// this folder: the header speaks ICU.
#pragma once

#include <unicode/unistr.h>

#include <string>
#include <unordered_map>

#include "src/tokenizers/python_text.h"

namespace trireme {

class HtmlText {
 public:
  HtmlText();

  icu::UnicodeString text(const icu::UnicodeString& markup) const;

  // Python's html.unescape: also without semicolons, and the longest known beginning of a name.
  icu::UnicodeString unescape(const icu::UnicodeString& text) const;
  // ftfy's: only whole references that end in a semicolon.
  icu::UnicodeString unescape_whole(const icu::UnicodeString& text) const;

 private:
  class Parser;
  struct Entity {
    icu::UnicodeString text;
    bool bare;  // known without its semicolon
  };

  const Entity* find(const icu::UnicodeString& name) const;
  icu::UnicodeString replace_reference(const icu::UnicodeString& name) const;
  icu::UnicodeString replace_numeric(const icu::UnicodeString& name) const;

  std::unordered_map<std::string, Entity> entities_;
  PythonRegex reference_{R"(&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?))"};
  PythonRegex whole_{R"(&#?[0-9A-Za-z]{1,24};)"};
  PythonRegex entity_reference_{R"(&([a-zA-Z][-.a-zA-Z0-9]*)[^a-zA-Z0-9])"};
  PythonRegex number_reference_{R"(&#([0-9]+|[xX][0-9a-fA-F]+)[^0-9a-fA-F])"};
  PythonRegex start_tag_{
      R"(<[a-zA-Z][^\t\n\r\f />\x00]*(?:[\s/]*(?:(?<=['"\s/])[^\s/>][^\s/=>]*)"
      R"((?:\s*=+\s*(?:'[^']*'|"[^"]*"|(?!['"])[^>\s]*)\s*)?(?:\s|/(?!>))*)*)?\s*)"};
  PythonRegex tag_name_{R"(([a-zA-Z][^\t\n\r\f />\x00]*)(?:\s|/(?!>))*)"};
  PythonRegex attribute_{
      R"(((?<=['"\s/])[^\s/>][^\s/=>]*)(\s*=+\s*('[^']*'|"[^"]*"|(?!['"])[^>\s]*))?(?:\s|/(?!>))*)"};
  PythonRegex end_tag_{R"(</\s*([a-zA-Z][-.a-zA-Z0-9:_]*)\s*>)"};
  PythonRegex comment_end_{R"(--\s*>)"};
  PythonRegex cdata_end_{R"(\]\s*\]\s*>)"};
};

// What HTML makes of the code points 0x80 to 0x9F: the characters of Windows-1252.
char32_t windows_1252(char32_t code);

}  // namespace trireme
