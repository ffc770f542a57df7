// Texts of a picture as EXIF, which is where JPEG and WebP carry them:
//
//   parameters -> UserComment   in UTF-16, as AUTOMATIC1111's web UI writes and reads it
//   trireme    -> MakerNote     in UTF-8
//
// EXIF holds at most 64 KiB, so long texts may not fit; metadata.jsonl has them in any case. First
// `trireme` is left out, then `parameters`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/image/picture_parts.h"

namespace trireme {

// Begins with "Exif\0\0", as in JPEG; WebP has what follows. Empty where no text is left.
inline constexpr std::string_view kExifPrefix{"Exif\0\0", 6};

std::string exif_bytes(const std::vector<PictureText>& texts);

// The texts in such bytes, with or without the prefix. What is not ours or damaged is not seen.
std::vector<PictureText> exif_texts(std::string_view bytes);

}  // namespace trireme
