// xxh3-128 as 32 hex digits: tells texts apart, protects against nothing.
#pragma once

#include <string>
#include <string_view>

namespace trireme {

std::string xxh3_128(std::string_view bytes);

}  // namespace trireme
