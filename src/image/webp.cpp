#include "src/image/webp.h"

#include <fmt/format.h>
#include <webp/decode.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>
#include <new>
#include <utility>

#include "parallel/error.h"
#include "src/image/exif.h"

namespace trireme {
namespace {

constexpr int kChannels = 3;
// From 0, quick, to 6, small. Measured as in png.cpp, at quality 95: method 2 takes 85 ms for the
// photograph's 0.28 MB, libwebp's default of 4 takes 181 ms for as many bytes, 6 343 ms for 0.26.
constexpr int kMethod = 2;

using Mux = std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)>;

WebPData view_of(std::string_view bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

std::string_view view_of(const WebPData& data) {
  return {reinterpret_cast<const char*>(data.bytes), data.size};
}

[[noreturn]] void fail_to_encode(PictureSize size, int code) {
  if (code == VP8_ENC_ERROR_OUT_OF_MEMORY || code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY)
    throw std::bad_alloc();
  throw Error(Exit::kBug, fmt::format("[webp {}x{}] error {} -> libwebp takes the picture -> "
                                      "a mistake of ours",
                                      size.width, size.height, code));
}

[[noreturn]] void fail_to_read(const std::string& name, const char* what) {
  throw Error(Exit::kBadData,
              fmt::format("[{}] {} -> a whole WebP file -> damaged, cut off, or another format",
                          name, what));
}

void check_size(PictureSize size) {
  if (size.height >= 1 && size.width >= 1 && size.height <= WEBP_MAX_DIMENSION &&
      size.width <= WEBP_MAX_DIMENSION) {
    return;
  }
  throw Error(Exit::kBadData,
              fmt::format("[webp] {}x{} pixels -> sides of 1 to {} -> output.format: png or jpeg "
                          "hold larger ones",
                          size.width, size.height, WEBP_MAX_DIMENSION));
}

std::string encode_pixels(std::span<const std::uint8_t> pixels, PictureSize size, int quality) {
  WebPConfig config;
  WebPPicture picture;
  if (!WebPConfigInit(&config) || !WebPPictureInit(&picture)) fail_to_encode(size, -1);
  const std::unique_ptr<WebPPicture, decltype(&WebPPictureFree)> owner(&picture, WebPPictureFree);
  WebPMemoryWriter memory;
  WebPMemoryWriterInit(&memory);
  const std::unique_ptr<WebPMemoryWriter, decltype(&WebPMemoryWriterClear)> bytes(
      &memory, WebPMemoryWriterClear);
  config.quality = static_cast<float>(quality);
  config.method = kMethod;
  picture.height = static_cast<int>(size.height);
  picture.width = static_cast<int>(size.width);
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &memory;
  const int row_bytes = picture.width * kChannels;
  if (!WebPPictureImportRGB(&picture, pixels.data(), row_bytes) || !WebPEncode(&config, &picture)) {
    fail_to_encode(size, picture.error_code);
  }
  return {reinterpret_cast<const char*>(memory.mem), memory.size};
}

std::string with_exif(const std::string& pixels, std::string_view exif, PictureSize size) {
  const Mux mux(WebPMuxNew(), WebPMuxDelete);
  if (!mux) throw std::bad_alloc();
  const WebPData image = view_of(pixels);
  const WebPData chunk = view_of(exif);
  WebPData whole{};
  int code = WebPMuxSetImage(mux.get(), &image, 0);
  if (code == WEBP_MUX_OK) code = WebPMuxSetChunk(mux.get(), "EXIF", &chunk, 0);
  if (code == WEBP_MUX_OK) code = WebPMuxAssemble(mux.get(), &whole);
  const std::unique_ptr<WebPData, decltype(&WebPDataClear)> owner(&whole, WebPDataClear);
  if (code != WEBP_MUX_OK) fail_to_encode(size, code);
  return std::string(view_of(whole));
}

}  // namespace

std::string encode_webp(std::span<const std::uint8_t> pixels, PictureSize size,
                        const std::vector<PictureText>& texts, int quality) {
  check_size(size);
  const std::string exif = exif_bytes(texts);
  std::string bytes = encode_pixels(pixels, size, quality);
  if (exif.empty()) return bytes;
  return with_exif(bytes, std::string_view(exif).substr(kExifPrefix.size()), size);
}

PictureHeader read_webp_header(std::string_view bytes, const std::string& name) {
  const WebPData data = view_of(bytes);
  const Mux mux(WebPMuxCreate(&data, 0), WebPMuxDelete);
  PictureHeader header;
  int width = 0;
  int height = 0;
  if (!mux || WebPMuxGetCanvasSize(mux.get(), &width, &height) != WEBP_MUX_OK) {
    fail_to_read(name, "its chunks are not as they should be");
  }
  header.size = {height, width};
  WebPData exif{};
  if (WebPMuxGetChunk(mux.get(), "EXIF", &exif) == WEBP_MUX_OK) {
    header.texts = exif_texts(view_of(exif));
  }
  return header;
}

Picture decode_webp(std::string_view bytes, const std::string& name) {
  PictureHeader header = read_webp_header(bytes, name);
  Picture picture{header.size, {}, std::move(header.texts)};
  const WebPData data = view_of(bytes);
  int width = 0;
  int height = 0;
  const std::unique_ptr<uint8_t, void (*)(void*)> pixels(
      WebPDecodeRGB(data.bytes, data.size, &width, &height), WebPFree);
  if (!pixels) fail_to_read(name, "its pixels cannot be decoded");
  if (PictureSize{height, width} != picture.size) fail_to_read(name, "it states two sizes");
  const auto count = static_cast<std::size_t>(picture.size.height * picture.size.width * kChannels);
  picture.pixels.assign(pixels.get(), pixels.get() + count);
  return picture;
}

}  // namespace trireme
