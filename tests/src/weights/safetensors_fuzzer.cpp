// Any bytes at all are either a header whose tensors lie inside the file, side by side, or an Error
// that says why not. The file's size is that of the input, or one that the input chooses.
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "parallel/error.h"
#include "src/weights/safetensors_header.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(std::string_view json, int64_t file_size) {
  const auto header = trireme::parse_safetensors_header(json, file_size, "fuzz");
  int64_t at = 8 + static_cast<int64_t>(json.size());
  for (const auto& tensor : header.tensors) {
    require(tensor.begin == at && tensor.end >= tensor.begin && tensor.end <= file_size);
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    require(elements == tensor.elements());
    require(elements * trireme::bytes_of(tensor.type) == tensor.bytes());
    at = tensor.end;
  }
  require(at == file_size);
}

// Each byte is a piece of a header, so that mutation meets the rules and not the JSON parser alone.
std::string header_of(std::string_view choices) {
  constexpr std::string_view kPieces[] = {"{",
                                          "}",
                                          "[",
                                          "]",
                                          ",",
                                          ":",
                                          "\"a\":{",
                                          "\"b\":{",
                                          "\"__metadata__\":{",
                                          "\"k\":\"v\"",
                                          "\"dtype\":\"U8\",",
                                          "\"dtype\":\"F32\",",
                                          "\"dtype\":\"F8_E4M3\",",
                                          "\"dtype\":\"X\",",
                                          "\"shape\":[],",
                                          "\"shape\":[1],",
                                          "\"shape\":[2,2],",
                                          "\"shape\":[0],",
                                          "\"shape\":[4294967296,4294967296],",
                                          "\"data_offsets\":[0,1]",
                                          "\"data_offsets\":[0,4]",
                                          "\"data_offsets\":[4,8]",
                                          "\"data_offsets\":[1,5]",
                                          "\"data_offsets\":[0,0]",
                                          "\"shape\":[",
                                          "\"data_offsets\":[",
                                          "1",
                                          "0",
                                          "-1",
                                          "1.5",
                                          "9223372036854775807",
                                          " "};
  std::string out = "{";
  for (const char choice : choices)
    out += kPieces[static_cast<uint8_t>(choice) % std::size(kPieces)];
  return out;
}

template <typename Action>
void refusing(Action action) {
  try {
    action();
  } catch (const trireme::Error& error) {
    require(error.exit() == trireme::Exit::kBadData);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  refusing([&] {  // a file
    const auto file_size = static_cast<int64_t>(size);
    const auto start = bytes.substr(0, 8);
    check(bytes.substr(8, trireme::safetensors_header_length(start, file_size, "fuzz")), file_size);
  });
  refusing([&] {  // a header from pieces
    if (size < 1) return;
    const auto json = header_of(bytes.substr(1));
    check(json, 8 + static_cast<int64_t>(json.size()) + data[0] % 16);
  });
  refusing([&] {  // a header before as much data as its first bytes say
    if (size < 2) return;
    const auto json = bytes.substr(2);
    check(json, 8 + static_cast<int64_t>(json.size()) + (data[0] | data[1] << 8));
  });
  return 0;
}
