#include "src/weights/numbers.h"

#include <ATen/TensorIterator.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "parallel/error.h"

namespace trireme {
namespace {

struct TypePair {
  StoredType stored;
  at::ScalarType scalar;
};
constexpr TypePair kPairs[] = {
    {StoredType::kF64, at::kDouble},
    {StoredType::kF32, at::kFloat},
    {StoredType::kF16, at::kHalf},
    {StoredType::kBF16, at::kBFloat16},
    {StoredType::kF8E4M3, at::kFloat8_e4m3fn},
    {StoredType::kF8E5M2, at::kFloat8_e5m2},
    {StoredType::kI64, at::kLong},
    {StoredType::kI32, at::kInt},
    {StoredType::kI16, at::kShort},
    {StoredType::kI8, at::kChar},
    {StoredType::kU8, at::kByte},
    {StoredType::kBool, at::kBool},
};

at::Tensor view_of(const void* data, at::ScalarType type, int64_t count) {
  return at::from_blob(const_cast<void*>(data), {count}, at::TensorOptions().dtype(type));
}

// Float8 has 256 values: ATen converts them once, and a table look-up the file.
template <typename Word>
void look_up(const uint8_t* from, const at::Tensor& table, void* to, int64_t count) {
  const auto* words = static_cast<const Word*>(table.data_ptr());
  auto* out = static_cast<Word*>(to);
  for (int64_t i = 0; i < count; ++i) out[i] = words[from[i]];
}

void convert_float8(const void* from, at::ScalarType stored, void* to, at::ScalarType type,
                    int64_t count) {
  const auto table = at::arange(256, at::kLong).to(at::kByte).view(stored).to(at::kFloat).to(type);
  const auto* bytes = static_cast<const uint8_t*>(from);
  switch (c10::elementSize(type)) {
    case 8:
      return look_up<uint64_t>(bytes, table, to, count);
    case 4:
      return look_up<uint32_t>(bytes, table, to, count);
    case 2:
      return look_up<uint16_t>(bytes, table, to, count);
    default:
      return look_up<uint8_t>(bytes, table, to, count);
  }
}

// ATen would share longer pieces out among its threads, and the callers are threads already.
void copy_pieces(const void* from, at::ScalarType source, void* to, at::ScalarType type,
                 int64_t count) {
  constexpr int64_t kPiece = at::internal::GRAIN_SIZE - 64;
  const auto* in = static_cast<const char*>(from);
  auto* out = static_cast<char*>(to);
  for (int64_t i = 0; i < count; i += kPiece) {
    const int64_t n = std::min(kPiece, count - i);
    view_of(out + i * c10::elementSize(type), type, n)
        .copy_(view_of(in + i * c10::elementSize(source), source, n));
  }
}

// All exponent bits set is NaN or infinity. The first loop has no exit, so that it is vectorised.
template <typename Word>
int64_t first_with_bits(const void* values, Word mask, int64_t count) {
  const auto* words = static_cast<const Word*>(values);
  constexpr int64_t kStep = 4096;
  for (int64_t begin = 0; begin < count; begin += kStep) {
    const int64_t end = std::min(count, begin + kStep);
    Word any = 0;
    for (int64_t i = begin; i < end; ++i) any |= static_cast<Word>((words[i] & mask) == mask);
    if (!any) continue;
    return std::find_if(words + begin, words + end, [&](Word w) { return (w & mask) == mask; }) -
           words;
  }
  return -1;
}

}  // namespace

at::ScalarType scalar_type(StoredType type) {
  return kPairs[static_cast<size_t>(type)].scalar;
}

StoredType stored_type(at::ScalarType type) {
  for (const auto& pair : kPairs) {
    if (pair.scalar == type) return pair.stored;
  }
  throw Error(Exit::kBug, fmt::format("[safetensors] {} -> a dtype of the format is needed -> "
                                      "convert the tensor before it is written",
                                      c10::toString(type)));
}

at::ScalarType landing_type(StoredType stored, at::ScalarType wanted) {
  const auto type = scalar_type(stored);
  return c10::isFloatingType(type) ? wanted : type;
}

void convert_numbers(const void* from, StoredType stored, void* to, at::ScalarType type,
                     int64_t count) {
  const auto source = scalar_type(stored);
  if (source == type) {
    std::memcpy(to, from, count * bytes_of(stored));
  } else if (c10::isFloat8Type(source)) {
    convert_float8(from, source, to, type, count);
  } else {
    copy_pieces(from, source, to, type, count);
  }
}

int64_t first_not_finite(const void* values, at::ScalarType type, int64_t count) {
  switch (type) {
    case at::kDouble:
      return first_with_bits<uint64_t>(values, 0x7ff0'0000'0000'0000, count);
    case at::kFloat:
      return first_with_bits<uint32_t>(values, 0x7f80'0000, count);
    case at::kHalf:
      return first_with_bits<uint16_t>(values, 0x7c00, count);
    case at::kBFloat16:
      return first_with_bits<uint16_t>(values, 0x7f80, count);
    case at::kFloat8_e5m2:
      return first_with_bits<uint8_t>(values, 0x7c, count);
    case at::kFloat8_e4m3fn:
      return first_with_bits<uint8_t>(values, 0x7f, count);
    default:
      return -1;
  }
}

}  // namespace trireme
