#include "src/image/jpeg.h"

#include <fmt/format.h>

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>
// Needs the C headers above.
#include <jpeglib.h>
// after it
#include <jerror.h>

#include "parallel/error.h"
#include "src/image/exif.h"

namespace trireme {
namespace {

constexpr int kChannels = 3;
constexpr int kFullColour = 90;  // from this quality on
// Tables for the picture at hand. Measured as in png.cpp, at quality 95: 19 ms and 0.47 MB with, 7
// ms and 0.49 MB without; 20 a second are easy either way.
constexpr boolean kOwnTables = TRUE;
constexpr long kMostMemory = 1L << 30;  // of a progressive file's coefficients
constexpr int kExifMarker = JPEG_APP0 + 1;

// libjpeg reports an error by calling us, and we must not return to it. Exceptions may not cross
// its C frames, so the message is kept and control jumps back to the last guarded().
struct Failure {
  jpeg_error_mgr manager{};
  std::jmp_buf back{};
  char message[JMSG_LENGTH_MAX] = "";

  Failure() {
    jpeg_std_error(&manager);
    manager.error_exit = [](j_common_ptr jpeg) {
      auto* failure = reinterpret_cast<Failure*>(jpeg->err);
      jpeg->err->format_message(jpeg, failure->message);
      std::longjmp(failure->back, 1);
    };
    // The first warning is the one to tell: libjpeg goes on with grey where data is missing.
    manager.emit_message = [](j_common_ptr jpeg, int level) {
      if (level < 0 && jpeg->err->num_warnings++ == 0) {
        jpeg->err->format_message(jpeg, reinterpret_cast<Failure*>(jpeg->err)->message);
      }
    };
  }
};

// Runs `body`, which may hold only trivial values: a jump out of it runs no destructors.
template <class Body>
bool guarded(Failure& failure, Body body) {
  if (setjmp(failure.back) != 0) return false;
  body();
  return true;
}

struct Encoder {
  Failure failure;
  jpeg_compress_struct jpeg{};
  unsigned char* bytes = nullptr;
  unsigned long length = 0;

  Encoder() { jpeg.err = &failure.manager; }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder() {
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);
  }

  void begin(PictureSize size, int quality) {
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &length);
    jpeg.image_height = static_cast<JDIMENSION>(size.height);
    jpeg.image_width = static_cast<JDIMENSION>(size.width);
    jpeg.input_components = kChannels;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg.dct_method = JDCT_ISLOW;  // the exact one, the same on every machine
    jpeg.optimize_coding = kOwnTables;
    if (quality >= kFullColour) {
      jpeg.comp_info[0].h_samp_factor = 1;
      jpeg.comp_info[0].v_samp_factor = 1;
    }
  }

  void write(const std::string& exif, std::span<const std::uint8_t> pixels) {
    jpeg_start_compress(&jpeg, TRUE);
    if (!exif.empty()) {
      jpeg_write_marker(&jpeg, kExifMarker, reinterpret_cast<const JOCTET*>(exif.data()),
                        static_cast<unsigned>(exif.size()));
    }
    const auto row_bytes = static_cast<std::size_t>(jpeg.image_width) * kChannels;
    while (jpeg.next_scanline < jpeg.image_height) {
      auto* row = const_cast<JSAMPROW>(pixels.data() + jpeg.next_scanline * row_bytes);
      jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
  }
};

class Decoder {
 public:
  Decoder(std::string_view bytes, const std::string& name) : name_(name) {
    jpeg_.err = &failure_.manager;
    run([&] {
      jpeg_create_decompress(&jpeg_);
      jpeg_.mem->max_memory_to_use = kMostMemory;
      jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      jpeg_save_markers(&jpeg_, kExifMarker, 0xffff);
      jpeg_read_header(&jpeg_, TRUE);
    });
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&jpeg_); }

  PictureHeader header() const {
    PictureHeader header{{jpeg_.image_height, jpeg_.image_width}, {}};
    for (auto* marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (data.starts_with(kExifPrefix)) header.texts = exif_texts(data);
    }
    return header;
  }

  Picture whole() {
    auto [size, texts] = header();
    const auto row_bytes = static_cast<std::size_t>(size.width) * kChannels;
    std::vector<std::uint8_t> pixels;
    run([&] {
      jpeg_.out_color_space = JCS_RGB;
      jpeg_.dct_method = JDCT_ISLOW;
      jpeg_start_decompress(&jpeg_);
    });
    // Row by row: a damaged header may speak of gigabytes.
    while (jpeg_.output_scanline < jpeg_.output_height) {
      pixels.resize(pixels.size() + row_bytes);
      auto* row = pixels.data() + pixels.size() - row_bytes;
      run([&] { jpeg_read_scanlines(&jpeg_, &row, 1); });
    }
    run([&] { jpeg_finish_decompress(&jpeg_); });
    return {size, std::move(pixels), std::move(texts)};
  }

 private:
  template <class Body>
  void run(Body body) {
    if (guarded(failure_, body) && failure_.manager.num_warnings == 0) return;
    const std::string what = failure_.message;
    jpeg_destroy_decompress(&jpeg_);  // the destructor does not run where the constructor throws
    throw Error(Exit::kBadData,
                fmt::format("[{}] {} -> a whole JPEG file -> damaged, cut off, or another format",
                            name_, what));
  }

  std::string name_;
  Failure failure_;
  jpeg_decompress_struct jpeg_{};
};

void check_size(PictureSize size) {
  if (size.height >= 1 && size.width >= 1 && size.height <= JPEG_MAX_DIMENSION &&
      size.width <= JPEG_MAX_DIMENSION) {
    return;
  }
  throw Error(Exit::kBadData,
              fmt::format("[jpeg] {}x{} pixels -> sides of 1 to {} -> output.format: png holds "
                          "larger ones",
                          size.width, size.height, JPEG_MAX_DIMENSION));
}

}  // namespace

std::string encode_jpeg(std::span<const std::uint8_t> pixels, PictureSize size,
                        const std::vector<PictureText>& texts, int quality) {
  check_size(size);
  const std::string exif = exif_bytes(texts);
  Encoder encoder;
  const bool encoded = guarded(encoder.failure, [&] {
    encoder.begin(size, quality);
    encoder.write(exif, pixels);
  });
  if (!encoded) {
    if (encoder.failure.manager.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    throw Error(Exit::kBug, fmt::format("[jpeg {}x{}] {} -> libjpeg takes the picture -> a mistake "
                                        "of ours",
                                        size.width, size.height, encoder.failure.message));
  }
  return {reinterpret_cast<const char*>(encoder.bytes), encoder.length};
}

PictureHeader read_jpeg_header(std::string_view bytes, const std::string& name) {
  return Decoder(bytes, name).header();
}

Picture decode_jpeg(std::string_view bytes, const std::string& name) {
  return Decoder(bytes, name).whole();
}

}  // namespace trireme
