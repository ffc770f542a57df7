// libFuzzer: whatever the bytes of an output are, reading them back ends in an answer or in an
// Error of kBadData. Built with -DTRIREME_FUZZERS=ON and clang; run as read_back_fuzzer
// -max_total_time=60.
//
// A first byte of 0 makes the rest a tar, of 1 a picture, of 2 EXIF; 3 reads a tar whose checksums
// are right, which a fuzzer does not guess.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "parallel/error.h"
#include "src/image/check.h"
#include "src/image/exif.h"
#include "src/output/tar.h"

namespace {

constexpr std::size_t kBlock = trireme::kTarBlock;

void read_tar(std::string_view bytes) {
  trireme::TarReader tar(bytes, "fuzzed.tar");
  while (const auto member = tar.next()) {
    const bool inside = member->offset >= 0 && member->size >= 0 &&
                        static_cast<std::size_t>(member->offset + member->size) <= bytes.size();
    if (!inside || tar.bytes() != bytes.substr(static_cast<std::size_t>(member->offset),
                                               static_cast<std::size_t>(member->size))) {
      std::abort();
    }
  }
}

// Of every block that says it is a header.
std::string with_checksums(std::string bytes) {
  for (std::size_t at = 0; at + kBlock <= bytes.size(); at += kBlock) {
    if (bytes.compare(at + 257, 5, "ustar") != 0) continue;
    bytes.replace(at + 148, 8, "        ");
    unsigned sum = 0;
    for (std::size_t i = at; i < at + kBlock; ++i) sum += static_cast<unsigned char>(bytes[i]);
    for (std::size_t digit = 0; digit < 6; ++digit) {
      bytes[at + 148 + digit] = static_cast<char>('0' + (sum >> (3 * (5 - digit)) & 7));
    }
    bytes[at + 154] = '\0';
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] == 0) read_tar(rest);
    if (data[0] == 1) trireme::check_picture(rest, "fuzzed");
    if (data[0] == 2) trireme::exif_texts(rest);
    if (data[0] == 3) read_tar(with_checksums(std::string(rest)));
  } catch (const trireme::Error& error) {
    if (error.exit() != trireme::Exit::kBadData) std::abort();
  }
  return 0;
}
