#include "src/tokenizers/html_references.h"

#include <algorithm>
#include <array>

#include "src/tokenizers/html_entities.h"

namespace trireme {
namespace {

using icu::UnicodeString;

constexpr std::array<char16_t, 32> kWindows1252 = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

constexpr int64_t kTooLarge = 0x110000;

bool is_character(int64_t code) {
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code > 0 && code < kTooLarge && !surrogate;
}

}  // namespace

char32_t windows_1252(char32_t code) {
  return code >= 0x80 && code <= 0x9F ? kWindows1252[code - 0x80] : code;
}

UnicodeString html_character(const UnicodeString& digits) {
  const bool hex = digits.length() > 0 && (digits[0] | 0x20) == 'x';
  int64_t code = 0;
  for (int32_t i = hex ? 1 : 0; i < digits.length(); ++i)
    code = std::min(code * (hex ? 16 : 10) + u_digit(digits[i], 16), kTooLarge);
  if (!is_character(code)) return UnicodeString(UChar32{0xFFFD});
  return UnicodeString(static_cast<UChar32>(windows_1252(static_cast<char32_t>(code))));
}

HtmlReferences::HtmlReferences() {
  std::string_view rest = kHtmlEntities;
  while (!rest.empty()) {
    const auto row = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(row.size() + 1, rest.size()));
    const size_t equals = row.find('=');
    const bool bare = row[equals - 1] == '*';
    Entity entity{{}, bare};
    for (size_t at = equals + 1; at < row.size(); at = row.find('+', at) + 1) {
      entity.text.append(static_cast<UChar32>(std::stol(std::string(row.substr(at)), nullptr, 16)));
      if (row.find('+', at) == std::string_view::npos) break;
    }
    entities_.emplace(row.substr(0, equals - (bare ? 1 : 0)), std::move(entity));
  }
}

const HtmlReferences::Entity* HtmlReferences::find_entity(const UnicodeString& name) const {
  const auto found = entities_.find(to_utf8(name));
  return found == entities_.end() ? nullptr : &found->second;
}

const UnicodeString* HtmlReferences::find(const UnicodeString& name) const {
  const Entity* entity = find_entity(name);
  return entity ? &entity->text : nullptr;
}

namespace {

// Python's html.unescape drops controls and the code points that are no characters.
bool is_dropped(UChar32 c) {
  const bool control = c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r';
  const bool none = (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
  return control || none || c == 0x7F;
}

UnicodeString replace_numeric(const UnicodeString& digits) {
  const UnicodeString character = html_character(digits);
  // The five bytes that Windows-1252 does not define stay.
  return is_dropped(character.char32At(0)) ? UnicodeString() : character;
}

}  // namespace

UnicodeString HtmlReferences::replace_reference(const UnicodeString& name) const {
  const bool closed = name.endsWith(u";", 1);
  const UnicodeString bare(name, 0, name.length() - (closed ? 1 : 0));
  if (bare[0] == u'#') return replace_numeric(UnicodeString(bare, 1));
  if (const Entity* entity = find_entity(bare); entity && (closed || entity->bare))
    return entity->text;
  for (int32_t length = name.length() - 1; length > 1; --length) {
    const Entity* entity = find_entity(UnicodeString(name, 0, length));
    if (entity && entity->bare) return entity->text + UnicodeString(name, length);
  }
  return u"&" + name;
}

namespace {

// re.sub with a function.
template <typename Replace>
UnicodeString sub(const PythonRegex& pattern, const UnicodeString& text, Replace replace) {
  if (text.indexOf(u'&') < 0) return text;
  UErrorCode status = U_ZERO_ERROR;
  UnicodeString result;
  int32_t done = 0;
  const auto matcher = pattern.matcher(text);
  while (matcher->find()) {
    result.append(text, done, matcher->start(status) - done)
        .append(replace(matcher->group(status)));
    done = matcher->end(status);
  }
  return result.append(text, done, text.length() - done);
}

}  // namespace

UnicodeString HtmlReferences::unescape(const UnicodeString& text) const {
  return sub(reference_, text, [&](const UnicodeString& found) {
    return replace_reference(UnicodeString(found, 1));
  });
}

UnicodeString HtmlReferences::unescape_whole(const UnicodeString& text) const {
  return sub(whole_, text, [&](const UnicodeString& found) {
    const UnicodeString name(found, 1, found.length() - 2);
    if (const Entity* entity = find_entity(name)) return entity->text;
    if (name[0] != u'#') return found;
    const UnicodeString unescaped = unescape(found);
    return unescaped.indexOf(u';') >= 0 ? found : unescaped;
  });
}

}  // namespace trireme
