#include "src/image/picture.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "parallel/error.h"
#include "src/image/jpeg.h"
#include "src/image/png.h"
#include "src/image/webp.h"

namespace trireme {
namespace {

constexpr std::string_view kPngStart = "\x89PNG\r\n\x1a\n";
constexpr std::string_view kJpegStart = "\xff\xd8\xff";

PictureFormat format_of(std::string_view bytes, const std::string& name) {
  if (bytes.starts_with(kPngStart)) return PictureFormat::kPng;
  if (bytes.starts_with(kJpegStart)) return PictureFormat::kJpeg;
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) {
    return PictureFormat::kWebp;
  }
  throw Error(Exit::kBadData,
              fmt::format("[{}] {} bytes that begin as no picture does -> PNG, JPEG or WebP -> "
                          "damaged, empty, or another format",
                          name, bytes.size()));
}

// Each format's rows must be whole: the encoders read as many as the size says.
void check_pixels(std::span<const std::uint8_t> pixels, PictureSize size) {
  if (size.height >= 0 && size.width >= 0 &&
      pixels.size() == static_cast<std::size_t>(size.height * size.width * 3)) {
    return;
  }
  throw Error(Exit::kBug,
              fmt::format("[picture {}x{}] {} bytes of pixels -> 3 a pixel -> the decoder's rows "
                          "do not match the picture's size",
                          size.width, size.height, pixels.size()));
}

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const Exit exit = errno == EACCES ? Exit::kNoPermission : Exit::kMissingInput;
    throw Error(exit, fmt::format("[{}] {} -> a picture -> mistyped, or not made yet",
                                  path.string(), std::strerror(errno)));
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::string_view extension_of(PictureFormat format) {
  switch (format) {
    case PictureFormat::kPng:
      return "png";
    case PictureFormat::kJpeg:
      return "jpg";
    case PictureFormat::kWebp:
      return "webp";
  }
  throw Error(Exit::kBug, "[picture] an unknown format -> png, jpeg or webp -> a mistake of ours");
}

std::string encode_picture(PictureFormat format, std::span<const std::uint8_t> pixels,
                           PictureSize size, const std::vector<PictureText>& texts, int quality) {
  check_pixels(pixels, size);
  if (format == PictureFormat::kJpeg) return encode_jpeg(pixels, size, texts, quality);
  if (format == PictureFormat::kWebp) return encode_webp(pixels, size, texts, quality);
  return encode_png(pixels, size, texts);
}

Picture decode_picture(std::string_view bytes, const std::string& name) {
  const PictureFormat format = format_of(bytes, name);
  if (format == PictureFormat::kJpeg) return decode_jpeg(bytes, name);
  if (format == PictureFormat::kWebp) return decode_webp(bytes, name);
  return decode_png(bytes, name);
}

PictureHeader read_picture_header(const std::filesystem::path& path) {
  const std::string bytes = read_whole(path);
  const PictureFormat format = format_of(bytes, path.string());
  if (format == PictureFormat::kJpeg) return read_jpeg_header(bytes, path.string());
  if (format == PictureFormat::kWebp) return read_webp_header(bytes, path.string());
  return read_png_header(path);
}

}  // namespace trireme
