// WebP files, lossy, of 8-bit RGB. The same pixels, texts and quality give the same bytes for one
// version of libwebp. Texts: see exif.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/image/picture_parts.h"

namespace trireme {

// Sides of 1 to 16383 pixels; kBadData beyond. Quality: 1 to 100.
std::string encode_webp(std::span<const std::uint8_t> pixels,  // [height, width, 3]
                        PictureSize size, const std::vector<PictureText>& texts, int quality);

// `name` stands in messages. Damage gives kBadData.
PictureHeader read_webp_header(std::string_view bytes, const std::string& name);
Picture decode_webp(std::string_view bytes, const std::string& name);

}  // namespace trireme
