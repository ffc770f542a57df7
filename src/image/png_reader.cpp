#include <fmt/format.h>

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
  std::u32string characters;
  for (std::size_t i = 0; i < length; ++i) {
    characters.push_back(static_cast<unsigned char>(text[i]));
  }
  return to_utf8(characters);
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

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File open_file(const std::filesystem::path& path) {
  File file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (file) return file;
  const Exit exit = errno == EACCES ? Exit::kNoPermission : Exit::kMissingInput;
  throw Error(exit, fmt::format("[{}] {} -> a PNG file -> mistyped, or not made yet", path.string(),
                                std::strerror(errno)));
}

// The bytes stay the caller's; fmemopen writes nothing in this mode.
File open_bytes(std::string_view bytes) {
  File file(::fmemopen(const_cast<char*>(bytes.data()), bytes.size(), "rb"), &std::fclose);
  if (!file) throw std::bad_alloc();
  return file;
}

constexpr long kLeastChunk = 1 << 20;  // texts of other programs may be compressed

long size_of(std::FILE& file) {
  const bool at_end = std::fseek(&file, 0, SEEK_END) == 0;
  const long size = at_end ? std::ftell(&file) : 0;
  std::rewind(&file);
  return size;
}

class Decoder {
 public:
  Decoder(std::string name, File file) : name_(std::move(name)), file_(std::move(file)) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure_, on_png_error, on_png_warning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    end_ = info_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (end_ == nullptr) throw std::bad_alloc();
    // No chunk is longer than its file; libpng would take the memory first and read then.
    png_set_chunk_malloc_max(png_, static_cast<png_alloc_size_t>(kLeastChunk + size_of(*file_)));
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

  // Here what libpng would forgive, such as chunks longer than the limit, is damage.
  Png whole() {
    png_set_benign_errors(png_, 0);
    PngHeader head = header();
    run([this] { as_rgb(); });
    Png png{head.size, {}, std::move(head.texts)};
    const auto row_bytes = static_cast<std::size_t>(head.size.width * kPngChannels);
    // Row by row: a damaged header may speak of terabytes. Interlaced rows come in several passes.
    for (int pass = 0; pass < passes_; ++pass) {
      for (std::int64_t y = 0; y < head.size.height; ++y) {
        const auto at = static_cast<std::size_t>(y) * row_bytes;
        if (pass == 0) png.pixels.resize(at + row_bytes);
        run([&] { png_read_row(png_, png.pixels.data() + at, nullptr); });
      }
    }
    run([&] { png_read_end(png_, end_); });
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
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  template <class Body>
  void run(Body body) {
    if (png_guarded(png_, body)) return;
    throw Error(Exit::kBadData,
                fmt::format("[{}] {} -> a whole PNG file -> damaged, cut off, or another format",
                            name_, failure_.message));
  }

  std::string name_;
  File file_;
  PngFailure failure_;
  int passes_ = 1;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  png_infop end_ = nullptr;
};

}  // namespace

PngHeader read_png_header(const std::filesystem::path& path) {
  return Decoder(path.string(), open_file(path)).header();
}

std::vector<PngText> read_png_texts(const std::filesystem::path& path) {
  return read_png_header(path).texts;
}

Png read_png(const std::filesystem::path& path) {
  return Decoder(path.string(), open_file(path)).whole();
}

Png decode_png(std::string_view bytes, const std::string& name) {
  return Decoder(name, open_bytes(bytes)).whole();
}

}  // namespace trireme
