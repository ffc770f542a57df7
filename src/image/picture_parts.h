// What the picture formats have in common: a size, pixels and texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trireme {

struct PictureSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  bool operator==(const PictureSize&) const = default;
};

// A text in UTF-8 that says how the picture was made.
struct PictureText {
  std::string key;
  std::string text;

  bool operator==(const PictureText&) const = default;
};

struct PictureHeader {
  PictureSize size;
  std::vector<PictureText> texts;
};

struct Picture {
  PictureSize size;
  std::vector<std::uint8_t> pixels;  // [height, width, 3]
  std::vector<PictureText> texts;
};

// The characters of a text. Throws kBadData where it is not UTF-8 or holds a NUL, at which readers
// of all formats would end it.
std::u32string code_points(const PictureText& text);

// UTF-8 again; what is no character becomes U+FFFD.
std::string to_utf8(const std::u32string& characters);

}  // namespace trireme
