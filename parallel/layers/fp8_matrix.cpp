#include "parallel/layers/fp8_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "parallel/cpu.h"
#include "parallel/error.h"

namespace trireme {
namespace {

constexpr double kLargest = 448;

// An e4m3fn number's exponent and mantissa where float32 has them. Its smallest numbers, which have
// no leading one, get it for a moment: as float32's own such numbers they would be slow.
TRIREME_EACH_CPU void widen(const uint8_t* codes, float* numbers, int64_t count) {
  constexpr int32_t kBias = (127 - 7) << 23, kOne = 1 << 23;
  constexpr float kSmallest = 0x1p-6F;  // with a leading one
  for (int64_t i = 0; i < count; i += kLanes) {
    Bytes some = {};
    const auto n = static_cast<size_t>(std::min<int64_t>(kLanes, count - i));
    std::memcpy(&some, codes + i, n);
    const Ints wide = __builtin_convertvector(some, Ints);
    const Ints bits = ((wide & 0x7f) << 20) + kBias, more = bits + kOne;
    Floats normal, small;
    std::memcpy(&normal, &bits, sizeof(bits));
    std::memcpy(&small, &more, sizeof(more));
    const Floats magnitude = (wide & 0x78) != 0 ? normal : small - kSmallest;
    const Floats number = (wide & 0x80) != 0 ? -magnitude : magnitude;
    std::memcpy(numbers + i, &number, n * sizeof(float));
  }
}

[[noreturn]] void refuse(const MatrixSlice& slice, const at::Tensor& numbers, Part rows) {
  const auto at = numbers.abs().argmax().item<int64_t>();
  throw Error(Exit::kBadData,
              fmt::format("[weights] {}[{}, {}] is {} -> fp8 holds {} at most -> quantize: int8, "
                          "whose rows have scales",
                          slice.weights().where(slice.name()),
                          slice.row_part().begin + rows.begin + at / numbers.size(1),
                          slice.column_part().begin + at % numbers.size(1),
                          numbers.flatten()[at].item<double>(), kLargest));
}

}  // namespace

Fp8Matrix Fp8Matrix::quantize(const MatrixSlice& slice) {
  const auto codes =
      at::empty({slice.rows(), slice.columns()},
                at::TensorOptions().dtype(at::kFloat8_e4m3fn).device(slice.device()));
  slice.for_each_chunk([&](const at::Tensor& numbers, Part rows) {
    if (numbers.numel() > 0 && numbers.abs().amax().item<double>() > kLargest)
      refuse(slice, numbers, rows);
    codes.narrow(0, rows.begin, rows.length).copy_(numbers);
  });
  return Fp8Matrix(codes);
}

void Fp8Matrix::fill(const at::Tensor& tile, Part rows) const {
  tile.copy_(numbers_.narrow(0, rows.begin, rows.length));
}

void Fp8Matrix::fill_on_host(float* tile, Part rows) const {
  const auto* codes =
      static_cast<const uint8_t*>(numbers_.const_data_ptr()) + rows.begin * columns();
  widen(codes, tile, rows.length * columns());
}

}  // namespace trireme
