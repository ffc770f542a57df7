#include "src/config/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace trireme {

std::string xxh3_128(std::string_view bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace trireme
