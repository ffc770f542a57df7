#include "src/image/picture_parts.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include "parallel/error.h"

namespace trireme {

std::u32string code_points(const PictureText& text) {
  std::u32string characters;
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.text.data());
  for (auto left = static_cast<utf8proc_ssize_t>(text.text.size()); left > 0;) {
    utf8proc_int32_t character = 0;
    const auto length = utf8proc_iterate(at, left, &character);
    if (length < 1 || character == 0) {
      throw Error(Exit::kBadData,
                  fmt::format("[picture text `{}`] byte {} -> texts in pictures are UTF-8 without "
                              "NUL -> the prompt file is in another encoding",
                              text.key, text.text.size() - static_cast<std::size_t>(left)));
    }
    characters.push_back(static_cast<char32_t>(character));
    at += length;
    left -= length;
  }
  return characters;
}

std::string to_utf8(const std::u32string& characters) {
  constexpr utf8proc_int32_t kReplacement = 0xfffd;
  std::string utf8;
  for (const char32_t character : characters) {
    const auto code = static_cast<utf8proc_int32_t>(character);
    utf8proc_uint8_t bytes[4];
    const auto count =
        utf8proc_encode_char(utf8proc_codepoint_valid(code) ? code : kReplacement, bytes);
    utf8.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
  }
  return utf8;
}

}  // namespace trireme
