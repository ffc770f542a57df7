// Text of others inside a page.
#pragma once

#include <string>
#include <string_view>

namespace trireme {

// For content and quoted attributes. What is no UTF-8 becomes U+FFFD, control characters spaces.
// Beyond `most` bytes it is cut.
std::string escaped(std::string_view text, std::size_t most = 100000);

// data:MIME;base64,...
std::string data_uri(std::string_view mime, std::string_view bytes);

}  // namespace trireme
