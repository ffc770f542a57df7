// JPEG files of 8-bit RGB. The same pixels, texts and quality give the same bytes. Colours have
// full resolution from quality 90 on, half of it below, as ImageMagick does. Texts: see exif.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/image/picture_parts.h"

namespace trireme {

// Sides of 1 to 65500 pixels; kBadData beyond. Quality: 1 to 100.
std::string encode_jpeg(std::span<const std::uint8_t> pixels,  // [height, width, 3]
                        PictureSize size, const std::vector<PictureText>& texts, int quality);

// `name` stands in messages. Damage gives kBadData, also where a viewer would show most of it.
PictureHeader read_jpeg_header(std::string_view bytes, const std::string& name);
Picture decode_jpeg(std::string_view bytes, const std::string& name);

}  // namespace trireme
