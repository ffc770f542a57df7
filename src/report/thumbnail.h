// Thumbnails: small JPEGs of large pictures, each pixel the mean of those that it stands for.
#pragma once

#include <cstdint>
#include <string>

#include "src/image/picture_parts.h"

namespace trireme {

// The longer side has at most so many pixels; a picture that is small already keeps its size.
Picture shrunk(const Picture& picture, std::int64_t longest);

std::string thumbnail(const Picture& picture, std::int64_t longest);  // JPEG

}  // namespace trireme
