// Python's way with text, for following diffusers' prompt clean-up: `re` patterns, str.lower and
// str.strip, urllib's unquote_plus. Python's \w, \s and \b differ from ICU's, so patterns are
// translated before ICU compiles them. Internal to this folder: the header speaks ICU.
#pragma once

#include <unicode/regex.h>
#include <unicode/unistr.h>

#include <memory>
#include <string>
#include <string_view>

namespace trireme {

// A compiled pattern of Python's `re`, immutable and shareable.
class PythonRegex {
 public:
  explicit PythonRegex(std::string_view pattern);

  // re.sub; groups in the replacement are written $1.
  icu::UnicodeString sub(std::string_view replacement, const icu::UnicodeString& text) const;
  int32_t count(const icu::UnicodeString& text) const;

  // For walking a text: find() and lookingAt() with positions. The text must outlive the matcher.
  std::unique_ptr<icu::RegexMatcher> matcher(const icu::UnicodeString& text) const;

 private:
  std::shared_ptr<const icu::RegexPattern> pattern_;
};

std::string to_utf8(const icu::UnicodeString& text);
icu::UnicodeString from_utf8(std::string_view text);

bool python_space(char32_t code);  // str.isspace
bool python_word(char32_t code);   // \w
icu::UnicodeString python_strip(const icu::UnicodeString& text);
icu::UnicodeString python_lower(const icu::UnicodeString& text);
std::string unquote_plus(std::string_view text);

}  // namespace trireme
