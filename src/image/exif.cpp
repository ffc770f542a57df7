#include "src/image/exif.h"

#include <fmt/format.h>
#include <libexif/exif-data.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "parallel/error.h"

namespace trireme {
namespace {

constexpr std::string_view kUnicode{"UNICODE\0", 8};
constexpr std::size_t kMost = 0xffff - 2;  // a JPEG segment, less its own length

using Data = std::unique_ptr<ExifData, decltype(&exif_data_unref)>;

Data new_data() {
  Data data(exif_data_new(), exif_data_unref);
  if (!data) throw std::bad_alloc();
  // Neither mends nor drops what stands there.
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_IGNORE_UNKNOWN_TAGS);
  exif_data_set_byte_order(data.get(), EXIF_BYTE_ORDER_MOTOROLA);
  return data;
}

void add(ExifData* data, ExifTag tag, std::string_view bytes) {
  std::unique_ptr<ExifMem, decltype(&exif_mem_unref)> memory(exif_mem_new_default(),
                                                             exif_mem_unref);
  std::unique_ptr<ExifEntry, decltype(&exif_entry_unref)> entry(
      memory ? exif_entry_new_mem(memory.get()) : nullptr, exif_entry_unref);
  if (!entry) throw std::bad_alloc();
  const auto size = static_cast<unsigned>(bytes.size());
  entry->data = static_cast<unsigned char*>(exif_mem_alloc(memory.get(), size));
  if (entry->data == nullptr) throw std::bad_alloc();
  std::memcpy(entry->data, bytes.data(), size);
  entry->tag = tag;
  entry->format = EXIF_FORMAT_UNDEFINED;
  entry->size = size;
  entry->components = size;
  exif_content_add_entry(data->ifd[EXIF_IFD_EXIF], entry.get());
}

std::string_view bytes_of(ExifData* data, ExifTag tag) {
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_EXIF], tag);
  if (entry == nullptr || entry->data == nullptr) return {};
  return {reinterpret_cast<const char*>(entry->data), entry->size};
}

std::string utf16_big_endian(const std::u32string& characters) {
  std::string bytes;
  const auto unit = [&bytes](char32_t value) {
    bytes.push_back(static_cast<char>(value >> 8));
    bytes.push_back(static_cast<char>(value & 0xff));
  };
  for (const char32_t character : characters) {
    if (character > 0xffff) {
      unit(0xd800 + ((character - 0x10000) >> 10));
      unit(0xdc00 + ((character - 0x10000) & 0x3ff));
    } else {
      unit(character);
    }
  }
  return bytes;
}

std::u32string from_utf16(std::string_view bytes, bool big_endian) {
  std::u32string characters;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const auto first = static_cast<unsigned char>(bytes[i]);
    const auto second = static_cast<unsigned char>(bytes[i + 1]);
    const char32_t unit = big_endian ? first << 8 | second : second << 8 | first;
    const bool low = unit >= 0xdc00 && unit < 0xe000;
    if (low && !characters.empty() && characters.back() >= 0xd800 && characters.back() < 0xdc00) {
      characters.back() = 0x10000 + ((characters.back() - 0xd800) << 10) + (unit - 0xdc00);
    } else {
      characters.push_back(unit);
    }
  }
  return characters;
}

struct Stored {
  ExifTag tag;
  std::string bytes;
};

Stored stored(const PictureText& text) {
  const auto characters = code_points(text);
  if (text.key == "parameters") {
    return {EXIF_TAG_USER_COMMENT, std::string(kUnicode) + utf16_big_endian(characters)};
  }
  if (text.key == "trireme") return {EXIF_TAG_MAKER_NOTE, text.text};
  throw Error(Exit::kBug, fmt::format("[exif] a text named `{}` -> parameters or trireme -> a key "
                                      "that has no place in EXIF yet",
                                      text.key));
}

std::string saved(const std::vector<Stored>& texts) {
  const Data data = new_data();
  for (const Stored& text : texts) add(data.get(), text.tag, text.bytes);
  unsigned char* bytes = nullptr;
  unsigned size = 0;
  exif_data_save_data(data.get(), &bytes, &size);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(bytes, std::free);
  if (bytes == nullptr) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

std::string exif_bytes(const std::vector<PictureText>& texts) {
  std::vector<Stored> kept;
  for (const PictureText& text : texts) {
    kept.push_back(stored(text));
    if (kept.back().bytes.size() > kMost) kept.pop_back();
  }
  while (!kept.empty()) {
    std::string bytes = saved(kept);
    if (bytes.size() <= kMost) return bytes;
    kept.pop_back();
  }
  return {};
}

std::vector<PictureText> exif_texts(std::string_view bytes) {
  if (bytes.empty()) return {};
  std::string whole(bytes.starts_with(kExifPrefix) ? "" : kExifPrefix);
  whole += bytes;
  const Data data = new_data();
  exif_data_load_data(data.get(), reinterpret_cast<const unsigned char*>(whole.data()),
                      static_cast<unsigned>(whole.size()));
  std::vector<PictureText> texts;
  const auto comment = bytes_of(data.get(), EXIF_TAG_USER_COMMENT);
  if (comment.starts_with(kUnicode)) {
    const bool big_endian = exif_data_get_byte_order(data.get()) == EXIF_BYTE_ORDER_MOTOROLA;
    texts.push_back(
        {"parameters", to_utf8(from_utf16(comment.substr(kUnicode.size()), big_endian))});
  }
  const auto note = bytes_of(data.get(), EXIF_TAG_MAKER_NOTE);
  if (note.starts_with("{")) texts.push_back({"trireme", std::string(note)});
  return texts;
}

}  // namespace trireme
