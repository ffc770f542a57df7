#include "src/report/html_text.h"

#include <openssl/evp.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdint>

namespace trireme {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// The characters that a page must not read as its own.
std::string_view entity(utf8proc_int32_t character) {
  switch (character) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

bool is_control(utf8proc_int32_t character) {
  return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

}  // namespace

std::string escaped(std::string_view text, std::size_t most) {
  std::string safe;
  const bool cut = text.size() > most;
  if (cut) text = text.substr(0, most);
  while (!text.empty()) {
    utf8proc_int32_t character = 0;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                         static_cast<utf8proc_ssize_t>(text.size()), &character);
    const auto taken = static_cast<std::size_t>(std::max<utf8proc_ssize_t>(length, 1));
    if (length <= 0) {
      safe += cut && text.size() < 4 ? "" : kReplacement;
    } else if (const auto named = entity(character); !named.empty()) {
      safe += named;
    } else if (is_control(character) && character != '\n') {
      safe += ' ';
    } else {
      safe += text.substr(0, taken);
    }
    text.remove_prefix(taken);
  }
  return cut ? safe + "…" : safe;
}

std::string data_uri(std::string_view mime, std::string_view bytes) {
  std::string base64(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // and a NUL
  const auto length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                                      reinterpret_cast<const unsigned char*>(bytes.data()),
                                      static_cast<int>(bytes.size()));
  base64.resize(static_cast<std::size_t>(length));
  return "data:" + std::string(mime) + ";base64," + base64;
}

}  // namespace trireme
