#include <fmt/format.h>
#include <utf8proc.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "parallel/error.h"
#include "src/image/libpng.h"
#include "src/image/png.h"

namespace trireme {
namespace {

std::string from_latin1(const char* text, std::size_t length) {
  std::string utf8;
  for (std::size_t i = 0; i < length; ++i) {
    utf8proc_uint8_t bytes[4];
    const auto count = utf8proc_encode_char(static_cast<unsigned char>(text[i]), bytes);
    utf8.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
  }
  return utf8;
}

std::vector<PngText> texts_of(png_structp png, png_infop info) {
  png_textp texts = nullptr;
  const int count = png_get_text(png, info, &texts, nullptr);
  std::vector<PngText> found;
  for (int i = 0; i < count; ++i) {
    const png_text& text = texts[i];
    const bool utf8 = text.compression >= PNG_ITXT_COMPRESSION_NONE;
    found.push_back({text.key, utf8 ? std::string(text.text, text.itxt_length)
                                    : from_latin1(text.text, text.text_length)});
  }
  return found;
}

class Decoder {
 public:
  explicit Decoder(const std::filesystem::path& path)
      : path_(path), file_(std::fopen(path.c_str(), "rb"), &std::fclose) {
    if (!file_) {
      const Exit exit = errno == EACCES ? Exit::kNoPermission : Exit::kMissingInput;
      throw Error(exit, fmt::format("[{}] {} -> a PNG file -> mistyped, or not made yet",
                                    path.string(), std::strerror(errno)));
    }
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure_, on_png_error, on_png_warning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    end_ = info_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (end_ == nullptr) throw std::bad_alloc();
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { png_destroy_read_struct(&png_, &info_, &end_); }

  PngHeader header() {
    run([this] {
      png_init_io(png_, file_.get());
      png_read_info(png_, info_);
    });
    return {{png_get_image_height(png_, info_), png_get_image_width(png_, info_)},
            texts_of(png_, info_)};
  }

  Png whole() {
    PngHeader head = header();
    run([this] { as_rgb(); });
    Png png{head.size, {}, std::move(head.texts)};
    const auto row_bytes = static_cast<std::size_t>(head.size.width * kPngChannels);
    png.pixels.resize(static_cast<std::size_t>(head.size.height) * row_bytes);
    std::vector<png_bytep> rows;
    for (std::int64_t y = 0; y < head.size.height; ++y) {
      rows.push_back(png.pixels.data() + static_cast<std::size_t>(y) * row_bytes);
    }
    run([&] {
      png_read_image(png_, rows.data());
      png_read_end(png_, end_);
    });
    for (PngText& text : texts_of(png_, end_)) png.texts.push_back(std::move(text));
    return png;
  }

 private:
  // Pictures of other programs may be grey, have a palette, 16 bits or transparency.
  void as_rgb() {
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  template <class Body>
  void run(Body body) {
    if (png_guarded(png_, body)) return;
    throw Error(Exit::kBadData,
                fmt::format("[{}] {} -> a whole PNG file -> damaged, cut off, or another format",
                            path_.string(), failure_.message));
  }

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  PngFailure failure_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  png_infop end_ = nullptr;
};

}  // namespace

PngHeader read_png_header(const std::filesystem::path& path) {
  return Decoder(path).header();
}

std::vector<PngText> read_png_texts(const std::filesystem::path& path) {
  return read_png_header(path).texts;
}

Png read_png(const std::filesystem::path& path) {
  return Decoder(path).whole();
}

}  // namespace trireme
