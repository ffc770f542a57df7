// The header of a safetensors file as a value: what tensors there are and which bytes they own.
// Parsing is a pure function of the header's bytes and the file's size and enforces every rule of
// the format, so what it returns can be trusted: no tensor reaches outside the file, none overlap,
// and together they cover it. A file without tensors is valid. No ATen here: the fuzzer builds
// this.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {

// Element types by their names in the format: F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64 ... BOOL.
enum class StoredType : uint8_t {
  kF64,
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kF8E5M2,
  kI64,
  kI32,
  kI16,
  kI8,
  kU8,
  kBool
};
int64_t bytes_of(StoredType type);
std::string_view name_of(StoredType type);     // "F8_E4M3", as in the file
std::string_view dtype_name(StoredType type);  // "float8_e4m3fn", as torch and job files say

struct StoredTensor {
  std::string name;
  StoredType type = StoredType::kF32;
  std::vector<int64_t> shape;  // [] is a scalar
  int64_t begin = 0;           // bytes from the start of the file
  int64_t end = 0;

  int64_t bytes() const { return end - begin; }
  int64_t elements() const { return bytes() / bytes_of(type); }
};

struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// The length of the JSON header that follows the first 8 bytes. `start` is the file's first 8
// bytes, or all of it if it is shorter; `place` names the file in messages. Errors are kBadData.
int64_t safetensors_header_length(std::string_view start, int64_t file_size,
                                  const std::string& place);
// `json` is the header that stands after those 8 bytes.
SafetensorsHeader parse_safetensors_header(std::string_view json, int64_t file_size,
                                           const std::string& place);

// What a file that begins like this is, if it may be a pickle: "a zip archive, ..." or "a pickle",
// else "". Only a file that is no safetensors file is asked: a header's length may look like one.
std::string_view pickle_kind(std::string_view start);
// Pickles can run code when they are loaded. Error (kBadData) that says so and shows the way out.
[[noreturn]] void refuse_pickle(const std::string& place, std::string_view kind);

}  // namespace trireme
