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

namespace trireme {

// One text of a PNG, in UTF-8. It is stored as Latin-1 (tEXt) where that can hold it, else as
// UTF-8 (iTXt), as Pillow does, so that every reader of such files finds it.
struct PngText {
  std::string key;  // 1 to 79 printable ASCII characters
  std::string text;

  bool operator==(const PngText&) const = default;
};

struct PngSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  bool operator==(const PngSize&) const = default;
};

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
struct PngHeader {
  PngSize size;
  std::vector<PngText> texts;
};
PngHeader read_png_header(const std::filesystem::path& path);
std::vector<PngText> read_png_texts(const std::filesystem::path& path);

// The whole file: every checksum is verified, and every text is found.
struct Png {
  PngSize size;
  std::vector<std::uint8_t> pixels;  // [height, width, 3]
  std::vector<PngText> texts;
};
Png read_png(const std::filesystem::path& path);

}  // namespace trireme
