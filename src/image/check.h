// Whether a picture is whole.
#pragma once

#include <string>
#include <string_view>

namespace trireme {

// Decodes a PNG, JPEG or WebP to its end. Throws kBadData naming `name` where that fails, and where
// the bytes are none of the three.
void check_picture(std::string_view bytes, const std::string& name);

}  // namespace trireme
