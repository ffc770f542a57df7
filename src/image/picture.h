// The picture formats, behind one function each way. PNG keeps every pixel; JPEG and WebP are lossy
// and take a quality, which PNG ignores.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/image/picture_parts.h"

namespace trireme {

enum class PictureFormat { kPng, kJpeg, kWebp };

inline constexpr int kDefaultQuality = 95;

// Of file names: png, jpg, webp.
std::string_view extension_of(PictureFormat format);

// A whole file in memory. The same arguments give the same bytes. Of texts, JPEG and WebP know
// `parameters` and `trireme`. Throws kBadData where the format cannot hold the size or a text.
std::string encode_picture(PictureFormat format,
                           std::span<const std::uint8_t> pixels,  // [height, width, 3]
                           PictureSize size, const std::vector<PictureText>& texts,
                           int quality = kDefaultQuality);

// Reading goes by content, whatever the name is; `name` stands in messages.
Picture decode_picture(std::string_view bytes, const std::string& name);

// Size and texts, without decoding the pixels.
PictureHeader read_picture_header(const std::filesystem::path& path);

}  // namespace trireme
