#include "src/tokenizers/unicode.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/utf8.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "parallel/error.h"

namespace trireme {
namespace {

struct Range {
  char32_t first, last;
};

// Letters, numbers and lower case of Unicode 15.1 and 16, which `tokenizers` 0.23 knows and ICU 72
// does not. With a newer ICU they say the same twice.
constexpr std::array kLaterLetters = {
    Range{0x1C89, 0x1C8A},   Range{0xA7CB, 0xA7CD},   Range{0xA7DA, 0xA7DC},
    Range{0x105C0, 0x105F3}, Range{0x10D4A, 0x10D65}, Range{0x10D6F, 0x10D85},
    Range{0x10EC2, 0x10EC4}, Range{0x11380, 0x11389}, Range{0x1138B, 0x1138B},
    Range{0x1138E, 0x1138E}, Range{0x11390, 0x113B5}, Range{0x113B7, 0x113B7},
    Range{0x113D1, 0x113D1}, Range{0x113D3, 0x113D3}, Range{0x11BC0, 0x11BE0},
    Range{0x13460, 0x143FA}, Range{0x16100, 0x1611D}, Range{0x16D40, 0x16D6C},
    Range{0x18CFF, 0x18CFF}, Range{0x1E5D0, 0x1E5ED}, Range{0x1E5F0, 0x1E5F0},
    Range{0x2EBF0, 0x2EE5D}};
constexpr std::array kLaterNumbers = {Range{0x10D40, 0x10D49}, Range{0x116D0, 0x116E3},
                                      Range{0x11BF0, 0x11BF9}, Range{0x16130, 0x16139},
                                      Range{0x16D70, 0x16D79}, Range{0x1CCF0, 0x1CCF9},
                                      Range{0x1E5F1, 0x1E5FA}};

// Marks of Unicode 15 to 17, which belong to the cluster before them and utf8proc 2.8 takes for
// characters of their own.
constexpr std::array kLaterMarks = {
    Range{0x897, 0x897},     Range{0x1ACF, 0x1ADD},   Range{0x1AE0, 0x1AEB},
    Range{0x10D69, 0x10D6D}, Range{0x10EFA, 0x10EFC}, Range{0x113B8, 0x113C0},
    Range{0x113C2, 0x113C2}, Range{0x113C5, 0x113C5}, Range{0x113C7, 0x113CA},
    Range{0x113CC, 0x113D0}, Range{0x113D2, 0x113D2}, Range{0x113E1, 0x113E2},
    Range{0x11B60, 0x11B67}, Range{0x11F5A, 0x11F5A}, Range{0x1611E, 0x1612F},
    Range{0x1E5EE, 0x1E5EF}, Range{0x1E6E3, 0x1E6E3}, Range{0x1E6E6, 0x1E6E6},
    Range{0x1E6EE, 0x1E6EF}, Range{0x1E6F5, 0x1E6F5}};

struct LowerRange {
  char32_t first, last;
  int32_t offset;
};
constexpr std::array kLaterLower = {
    LowerRange{0x1C89, 0x1C89, 1},      LowerRange{0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    LowerRange{0xA7CC, 0xA7CC, 1},      LowerRange{0xA7CE, 0xA7CE, 1},
    LowerRange{0xA7D2, 0xA7D2, 1},      LowerRange{0xA7D4, 0xA7D4, 1},
    LowerRange{0xA7DA, 0xA7DA, 1},      LowerRange{0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    LowerRange{0x10D50, 0x10D65, 0x20}, LowerRange{0x16EA0, 0x16EB8, 0x1B}};

template <typename Ranges>
auto find_range(const Ranges& ranges, char32_t code) {
  const auto found = std::partition_point(ranges.begin(), ranges.end(),
                                          [code](const auto& r) { return r.last < code; });
  return found != ranges.end() && found->first <= code ? found : ranges.end();
}

bool has_category(char32_t code, uint32_t mask) {
  return (U_GET_GC_MASK(static_cast<UChar32>(code)) & mask) != 0;
}

// The character, or one that utf8proc clusters as `tokenizers` does this one.
utf8proc_int32_t in_clusters(char32_t code) {
  constexpr utf8proc_int32_t kMark = 0x301;
  constexpr utf8proc_int32_t kPrepended = 0x600;
  if (code == 0x113D1) return kPrepended;
  if (code == 0x11A3A) return 'a';  // prepended in Unicode, but not there
  return find_range(kLaterMarks, code) != kLaterMarks.end() ? kMark
                                                            : static_cast<utf8proc_int32_t>(code);
}

}  // namespace

void require_utf8(std::string_view text, std::string_view place) {
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t code = 0;
    const auto bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at;
    const auto length =
        utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    if (length <= 0)
      throw Error(Exit::kBadData,
                  fmt::format("[{}] byte 0x{:02x} at offset {} -> text is UTF-8 -> the file is in "
                              "another encoding (Latin-1, UTF-16?) or was cut inside a character",
                              place, bytes[0], at));
    at += static_cast<size_t>(length);
  }
}

Char decode(std::string_view text, size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return {byte, at + 1};
  auto next = static_cast<int64_t>(at);
  UChar32 code = 0;
  U8_NEXT_OR_FFFD(text.data(), next, static_cast<int64_t>(text.size()), code);
  return {static_cast<char32_t>(code), static_cast<size_t>(next)};
}

void append_utf8(std::string& text, char32_t code) {
  if (code < 0x80) {
    text.push_back(static_cast<char>(code));
    return;
  }
  char bytes[U8_MAX_LENGTH];
  int32_t length = 0;
  U8_APPEND_UNSAFE(bytes, length, static_cast<UChar32>(code));
  text.append(bytes, static_cast<size_t>(length));
}

bool is_letter(char32_t code) {
  return has_category(code, U_GC_L_MASK) || find_range(kLaterLetters, code) != kLaterLetters.end();
}

bool is_number(char32_t code) {
  return has_category(code, U_GC_N_MASK) || find_range(kLaterNumbers, code) != kLaterNumbers.end();
}

bool is_space(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= '\t' && code <= '\r');
  return u_isUWhiteSpace(static_cast<UChar32>(code));
}

bool is_word(char32_t code) {
  return u_isUAlphabetic(static_cast<UChar32>(code)) ||
         has_category(code, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) || code == 0x200C ||
         code == 0x200D;
}

void append_lower(std::string& text, char32_t code) {
  if (code < 0x80) {
    text.push_back(static_cast<char>(code >= 'A' && code <= 'Z' ? code + 32 : code));
  } else if (code == 0x130) {  // the one letter whose lower case is two characters
    text.append("i\u0307");
  } else if (const auto later = find_range(kLaterLower, code); later != kLaterLower.end()) {
    append_utf8(text, static_cast<char32_t>(static_cast<int32_t>(code) + later->offset));
  } else {
    append_utf8(text, static_cast<char32_t>(u_tolower(static_cast<UChar32>(code))));
  }
}

size_t grapheme_end(std::string_view text, size_t at) {
  auto [before, end] = decode(text, at);
  utf8proc_int32_t state = 0;
  while (end < text.size()) {
    const auto next = decode(text, end);
    if (utf8proc_grapheme_break_stateful(in_clusters(before), in_clusters(next.code), &state))
      break;
    before = next.code;
    end = next.end;
  }
  return end;
}

struct Nfc::Icu {
  icu::UnicodeSet known;
  std::unique_ptr<icu::FilteredNormalizer2> normalizer;
};

Nfc::Nfc() {
  UErrorCode status = U_ZERO_ERROR;
  auto icu = std::make_shared<Icu>();
  icu->known.applyPattern(UNICODE_STRING_SIMPLE("[:age=9.0:]"), status);
  icu->known.freeze();
  const auto* nfc = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status))
    throw Error(Exit::kBug, fmt::format("[Unicode] {} -> ICU's normalisation data -> ICU is "
                                        "installed without its data",
                                        u_errorName(status)));
  icu->normalizer = std::make_unique<icu::FilteredNormalizer2>(*nfc, icu->known);
  icu_ = std::move(icu);
}

std::string Nfc::operator()(std::string_view text) const {
  const bool ascii = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return std::string(text);
  std::string composed;
  icu::StringByteSink<std::string> sink(&composed, static_cast<int32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  icu_->normalizer->normalizeUTF8(
      0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr, status);
  if (U_FAILURE(status))
    throw Error(Exit::kBadData, fmt::format("[prompt] {} bytes -> text that ICU can compose ({}) "
                                            "-> the prompt is larger than 2 GB",
                                            text.size(), u_errorName(status)));
  return composed;
}

}  // namespace trireme
