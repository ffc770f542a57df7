// PNG files of 8-bit RGB with texts that say how the picture was made. The same pixels and texts
// give the same bytes: no time is stored, and level and filter are fixed. Bytes travel as
// std::string; a picture of no rows or columns is refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/image/picture_parts.h"

namespace trireme {

// A text is stored as Latin-1 (tEXt) where that can hold it, else as UTF-8 (iTXt), as Pillow does,
// so that every reader of such files finds it. Its key is 1 to 79 printable ASCII characters.
using PngText = PictureText;
using PngSize = PictureSize;

// Writes a picture row by row, so that a large one never needs to be whole in memory. Owns the
// compressor; the sink gets the bytes in order. Without finish() the file stays incomplete.
class PngWriter {
 public:
  using Sink = std::function<void(std::string_view bytes)>;

  PngWriter(Sink sink, PngSize size, const std::vector<PngText>& texts);
  ~PngWriter();
  PngWriter(PngWriter&&) noexcept;
  PngWriter& operator=(PngWriter&&) noexcept;

  // Any number of whole rows, top to bottom.
  void rows(std::span<const std::uint8_t> pixels);  // [n, width, 3]
  void finish();

 private:
  struct Encoder;
  std::unique_ptr<Encoder> encoder_;
};

std::string encode_png(std::span<const std::uint8_t> pixels,  // [height, width, 3]
                       PngSize size, const std::vector<PngText>& texts);

// What stands before the pixels. Our texts do; those that others put behind the pixels are not
// seen here. Files that are missing, no PNG or damaged give an Error.
using PngHeader = PictureHeader;
PngHeader read_png_header(const std::filesystem::path& path);
std::vector<PngText> read_png_texts(const std::filesystem::path& path);

// The whole file: every checksum is verified, and every text is found.
using Png = Picture;
Png read_png(const std::filesystem::path& path);
Png decode_png(std::string_view bytes, const std::string& name);  // `name` stands in messages

}  // namespace trireme
