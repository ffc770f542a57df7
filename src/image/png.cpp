#include "src/image/png.h"

#include <fmt/format.h>
#include <zlib.h>

#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "parallel/error.h"
#include "src/image/libpng.h"

namespace trireme {
namespace {

// Measured on 1024 x 1024 pixels and one core, zlib 1.2.13 (a photograph with a little noise; noise
// with the spectrum of photographs; a sheet of the demo model's pictures):
//                      photograph        natural noise     demo sheet
//   Paeth, runs only   69 ms  1.71 MB    54 ms  2.24 MB    40 ms  0.65 MB
//   Sub, level 1       88 ms  2.06 MB    79 ms  2.33 MB    46 ms  0.79 MB
//   Average, runs      44 ms  1.87 MB    43 ms  2.18 MB    37 ms  0.80 MB
//   libpng's default  390 ms  1.72 MB   153 ms  2.18 MB   217 ms  0.55 MB
// Looking for matches finds none in such pixels. Two threads write more than 20 of them a second.
constexpr int kLevel = 1;
constexpr int kStrategy = Z_RLE;
constexpr int kFilter = PNG_FILTER_PAETH;

// nullopt where a character does not fit; throws where the text is not UTF-8.
std::optional<std::string> as_latin1(const PngText& text) {
  std::string latin1;
  for (const char32_t character : code_points(text)) {
    if (character > 0xff) return std::nullopt;
    latin1.push_back(static_cast<char>(character));
  }
  return latin1;
}

struct StoredText {
  std::string key;
  std::string bytes;
  bool latin1;
};

std::vector<StoredText> stored_texts(const std::vector<PngText>& texts) {
  std::vector<StoredText> stored;
  for (const PngText& text : texts) {
    auto latin1 = as_latin1(text);
    const bool fits = latin1.has_value();
    stored.push_back({text.key, fits ? std::move(*latin1) : text.text, fits});
  }
  return stored;
}

// The views point into `stored`; libpng takes char* but only reads.
std::vector<png_text> text_views(std::vector<StoredText>& stored) {
  static char no_language[] = "";
  std::vector<png_text> views;
  for (StoredText& text : stored) {
    png_text view{};
    view.compression = text.latin1 ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    view.key = text.key.data();
    view.text = text.bytes.data();
    (text.latin1 ? view.text_length : view.itxt_length) = text.bytes.size();
    view.lang = no_language;
    view.lang_key = no_language;
    views.push_back(view);
  }
  return views;
}

}  // namespace

struct PngWriter::Encoder {
  Sink sink;
  PngSize size;
  std::int64_t rows_written = 0;
  PngFailure failure;
  std::string pending;  // what libpng gave and the sink has not seen
  png_structp png = nullptr;
  png_infop info = nullptr;

  Encoder(Sink to, PngSize of) : sink(std::move(to)), size(of) {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, on_png_error, on_png_warning);
    info = png != nullptr ? png_create_info_struct(png) : nullptr;
    if (info == nullptr) throw std::bad_alloc();
    png_set_write_fn(png, this, take, nullptr);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder() { png_destroy_write_struct(&png, &info); }

  static void take(png_structp png, png_bytep data, std::size_t length) {
    bool taken = true;
    try {
      auto* self = static_cast<Encoder*>(png_get_io_ptr(png));
      self->pending.append(reinterpret_cast<const char*>(data), length);
    } catch (const std::bad_alloc&) {
      taken = false;
    }
    if (!taken) png_error(png, "out of memory");
  }

  // The sink is called here and not from within libpng, so it may throw.
  template <class Body>
  void run(Body body) {
    if (!png_guarded(png, body)) {
      if (std::string_view(failure.message).find("memory") != std::string_view::npos)
        throw std::bad_alloc();
      throw Error(Exit::kBug, fmt::format("[png {}x{}] {} -> libpng takes the picture -> its size "
                                          "or a text's key is not what PNG allows",
                                          size.width, size.height, failure.message));
    }
    if (!pending.empty()) sink(std::exchange(pending, {}));
  }
};

PngWriter::PngWriter(Sink sink, PngSize size, const std::vector<PngText>& texts)
    : encoder_(std::make_unique<Encoder>(std::move(sink), size)) {
  auto stored = stored_texts(texts);
  auto views = text_views(stored);
  png_structp png = encoder_->png;
  png_infop info = encoder_->info;
  encoder_->run([&] {
    png_set_compression_level(png, kLevel);
    png_set_compression_strategy(png, kStrategy);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, kFilter);
    png_set_IHDR(png, info, static_cast<png_uint_32>(size.width),
                 static_cast<png_uint_32>(size.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
    png_set_text(png, info, views.data(), static_cast<int>(views.size()));
    png_write_info(png, info);
  });
}

PngWriter::~PngWriter() = default;
PngWriter::PngWriter(PngWriter&&) noexcept = default;
PngWriter& PngWriter::operator=(PngWriter&&) noexcept = default;

void PngWriter::rows(std::span<const std::uint8_t> pixels) {
  const auto row_bytes = static_cast<std::size_t>(encoder_->size.width * kPngChannels);
  const std::size_t count = pixels.size() / row_bytes;
  const std::int64_t room = encoder_->size.height - encoder_->rows_written;
  if (pixels.size() % row_bytes != 0 || static_cast<std::int64_t>(count) > room) {
    throw Error(
        Exit::kBug,
        fmt::format("[png {}x{}] {} bytes of pixels -> whole rows of {} bytes, {} of them "
                    "left -> the decoder's rows do not match the picture's size",
                    encoder_->size.width, encoder_->size.height, pixels.size(), row_bytes, room));
  }
  encoder_->run([&] {
    for (std::size_t i = 0; i < count; ++i) {
      png_write_row(encoder_->png, pixels.data() + i * row_bytes);
    }
  });
  encoder_->rows_written += static_cast<std::int64_t>(count);
}

void PngWriter::finish() {
  if (encoder_->rows_written != encoder_->size.height) {
    throw Error(Exit::kBug,
                fmt::format("[png {}x{}] {} rows -> all rows before finish() -> "
                            "decoding ended early",
                            encoder_->size.width, encoder_->size.height, encoder_->rows_written));
  }
  // No info here: the texts stand before the pixels already.
  encoder_->run([&] { png_write_end(encoder_->png, nullptr); });
}

std::string encode_png(std::span<const std::uint8_t> pixels, PngSize size,
                       const std::vector<PngText>& texts) {
  std::string bytes;
  PngWriter writer([&bytes](std::string_view more) { bytes += more; }, size, texts);
  writer.rows(pixels);
  writer.finish();
  return bytes;
}

}  // namespace trireme
