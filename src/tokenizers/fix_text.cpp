#include "src/tokenizers/fix_text.h"

#include <unicode/normalizer2.h>

#include <array>
#include <string_view>
#include <utility>

namespace trireme {
namespace {

using icu::UnicodeString;

constexpr std::array<std::pair<char16_t, std::u16string_view>, 22> kLigatures = {{
    {u'Ĳ', u"IJ"}, {u'ĳ', u"ij"}, {u'ŉ', u"ʼn"}, {u'Ǆ', u"DŽ"}, {u'ǅ', u"Dž"}, {u'ǆ', u"dž"},
    {u'Ǉ', u"LJ"}, {u'ǈ', u"Lj"}, {u'ǉ', u"lj"}, {u'Ǌ', u"NJ"}, {u'ǋ', u"Nj"}, {u'ǌ', u"nj"},
    {u'Ǳ', u"DZ"}, {u'ǲ', u"Dz"}, {u'ǳ', u"dz"}, {u'ﬀ', u"ff"}, {u'ﬁ', u"fi"}, {u'ﬂ', u"fl"},
    {u'ﬃ', u"ffi"}, {u'ﬄ', u"ffl"}, {u'ﬅ', u"ſt"}, {u'ﬆ', u"st"},
}};

bool is_unwanted_control(char16_t c) {
  return c < 9 || c == 0x0B || (c >= 0x0E && c < 0x20) || c == 0x7F ||
         (c >= 0x206A && c < 0x2070) || c == 0xFEFF || (c >= 0xFFF9 && c < 0xFFFD);
}

// Each fix takes one character to its replacement; all of them are in the BMP.
UnicodeString fix_ligature(char16_t c) {
  for (const auto& [ligature, letters] : kLigatures)
    if (c == ligature) return UnicodeString(letters.data(), static_cast<int32_t>(letters.size()));
  return UnicodeString(c);
}

UnicodeString fix_width(char16_t c, const icu::Normalizer2& nfkc) {
  if (c == 0x3000) return UnicodeString(u' ');
  if (c < 0xFF01 || c > 0xFFEF) return UnicodeString(c);
  UErrorCode status = U_ZERO_ERROR;
  return nfkc.normalize(UnicodeString(c), status);
}

UnicodeString fix_quote(char16_t c) {
  if (c >= 0x201C && c <= 0x201F) return UnicodeString(u'"');
  if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) return UnicodeString(u'\'');
  return UnicodeString(c);
}

template <typename Fix>
UnicodeString fix_each(const UnicodeString& text, Fix fix) {
  UnicodeString result;
  for (int32_t i = 0; i < text.length(); ++i) {
    if (text[i] < 0x80 || U16_IS_SURROGATE(text[i])) result.append(text[i]);
    else result.append(fix(text[i]));
  }
  return result;
}

UnicodeString fix_line_breaks(UnicodeString text) {
  text.findAndReplace(u"\r\n", u"\n");
  for (const char16_t c : {u'\r', u'\u2028', u'\u2029', u'\u0085'})
    text.findAndReplace(UnicodeString(c), u"\n");
  return text;
}

UnicodeString remove_controls(const UnicodeString& text) {
  UnicodeString result;
  for (int32_t i = 0; i < text.length(); ++i)
    if (!is_unwanted_control(text[i])) result.append(text[i]);
  return result;
}

UnicodeString fix_once(const HtmlText& html, bool unescape, const UnicodeString& text) {
  UErrorCode status = U_ZERO_ERROR;
  const auto& nfkc = *icu::Normalizer2::getNFKCInstance(status);
  const auto& nfc = *icu::Normalizer2::getNFCInstance(status);
  static const PythonRegex terminal_escape("\x1b\\[((?:\\d|;)*)([a-zA-Z])");
  UnicodeString fixed = unescape ? html.unescape_whole(text) : text;
  fixed = fix_each(fixed, [](char16_t c) {
    return UnicodeString(static_cast<UChar32>(windows_1252(c)));
  });
  fixed = fix_each(fixed, fix_ligature);
  fixed = fix_each(fixed, [&](char16_t c) { return fix_width(c, nfkc); });
  fixed = fix_each(fixed, fix_quote);
  fixed = fix_line_breaks(std::move(fixed));
  fixed = remove_controls(terminal_escape.sub("", fixed));
  return nfc.normalize(fixed, status);
}

}  // namespace

UnicodeString fix_text(const HtmlText& html, const UnicodeString& text) {
  UnicodeString result;
  bool unescape = true;
  for (int32_t at = 0; at < text.length();) {  // line by line, as ftfy does
    const int32_t newline = text.indexOf(u'\n', at);
    const int32_t end = newline < 0 ? text.length() : newline + 1;
    UnicodeString line(text, at, end - at);
    unescape = unescape && line.indexOf(u'<') < 0;  // mark-up: leave its references alone
    for (UnicodeString before; before != line;) {
      before = line;
      line = fix_once(html, unescape, line);
    }
    result += line;
    at = end;
  }
  return result;
}

}  // namespace trireme
