#include "src/tokenizers/python_text.h"

#include <fmt/format.h>
#include <unicode/locid.h>
#include <unicode/uchar.h>

#include "parallel/error.h"
#include "src/tokenizers/unicode.h"

namespace trireme {
namespace {

constexpr std::string_view kSpaces =
    R"(\t-\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000)";
constexpr std::string_view kWords = R"(\p{L}\p{N}_)";

// The class escapes of Python in ICU's terms. They stand inside brackets as well as alone.
std::string translate(std::string_view pattern) {
  const std::string word = fmt::format("[{}]", kWords);
  std::string icu;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      icu.push_back(pattern[i]);
      continue;
    }
    const char escape = pattern[++i];
    if (escape == 's') icu += fmt::format("[{}]", kSpaces);
    else if (escape == 'S') icu += fmt::format("[^{}]", kSpaces);
    else if (escape == 'w') icu += word;
    else if (escape == 'W') icu += fmt::format("[^{}]", kWords);
    else if (escape == 'd') icu += R"(\p{Nd})";
    else if (escape == 'D') icu += R"(\P{Nd})";
    else if (escape == 'b') icu += fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word);
    else icu += {'\\', escape};
  }
  return icu;
}

void check(UErrorCode status, std::string_view what) {
  if (U_FAILURE(status))
    throw Error(Exit::kBug, fmt::format("[clean_caption] {} -> a pattern that ICU runs ({}) -> a "
                                        "prompt of extreme size, or a bug of ours",
                                        what, u_errorName(status)));
}

}  // namespace

PythonRegex::PythonRegex(std::string_view pattern) {
  UErrorCode status = U_ZERO_ERROR;
  UParseError where;
  pattern_.reset(icu::RegexPattern::compile(from_utf8(translate(pattern)),
                                            UREGEX_UNIX_LINES, where, status));
  check(status, pattern);
}

std::unique_ptr<icu::RegexMatcher> PythonRegex::matcher(const icu::UnicodeString& text) const {
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::RegexMatcher> matcher(pattern_->matcher(text, status));
  check(status, "matcher");
  matcher->setStackLimit(0, status);  // none: long prompts need long stacks
  matcher->useAnchoringBounds(false);
  matcher->useTransparentBounds(true);
  return matcher;
}

icu::UnicodeString PythonRegex::sub(std::string_view replacement,
                                    const icu::UnicodeString& text) const {
  UErrorCode status = U_ZERO_ERROR;
  auto result = matcher(text)->replaceAll(from_utf8(replacement), status);
  check(status, "sub");
  return result;
}

int32_t PythonRegex::count(const icu::UnicodeString& text) const {
  const auto found = matcher(text);
  int32_t count = 0;
  while (found->find()) ++count;
  return count;
}

std::string to_utf8(const icu::UnicodeString& text) {
  std::string bytes;
  return text.toUTF8String(bytes);
}

icu::UnicodeString from_utf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

bool python_space(char32_t code) {
  return is_space(code) || (code >= 0x1C && code <= 0x1F);
}

bool python_word(char32_t code) {
  return code == '_' ||
         (U_GET_GC_MASK(static_cast<UChar32>(code)) & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}

icu::UnicodeString python_strip(const icu::UnicodeString& text) {
  int32_t begin = 0;
  int32_t end = text.length();  // white space is all in the BMP
  while (begin < end && python_space(text[begin])) ++begin;
  while (end > begin && python_space(text[end - 1])) --end;
  return icu::UnicodeString(text, begin, end - begin);
}

icu::UnicodeString python_lower(const icu::UnicodeString& text) {
  return icu::UnicodeString(text).toLower(icu::Locale::getRoot());
}

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Percent escapes of one run of ASCII; bytes that are no UTF-8 become U+FFFD.
std::string unquote_ascii(std::string_view run) {
  std::string bytes;
  for (size_t i = 0; i < run.size(); ++i) {
    const int high = i + 2 < run.size() && run[i] == '%' ? hex_digit(run[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(run[i + 2]) : -1;
    if (low < 0) {
      bytes.push_back(run[i] == '+' ? ' ' : run[i]);
    } else {
      bytes.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    const auto next = decode(bytes, at);
    append_utf8(text, next.code);
    at = next.end;
  }
  return text;
}

}  // namespace

std::string unquote_plus(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && static_cast<unsigned char>(text[end]) < 0x80) ++end;
    result += unquote_ascii(text.substr(at, end - at));
    for (at = end; at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80; ++at)
      result.push_back(text[at]);
  }
  return result;
}

}  // namespace trireme
