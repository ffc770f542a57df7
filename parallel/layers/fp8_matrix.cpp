#include "parallel/layers/fp8_matrix.h"

#include <fmt/format.h>

#include <bit>

#include "parallel/cpu.h"
#include "parallel/error.h"

namespace trireme {
namespace {

constexpr double kLargest = 448;

// An e4m3fn number's exponent and mantissa where float32 has them. Its smallest numbers, which have
// no leading one, get it for a moment: as float32's own such numbers they would be slow.
TRIREME_EACH_CPU void widen(const uint8_t* __restrict codes, float* __restrict numbers,
                            int64_t count) {
  constexpr uint32_t kBias = (127U - 7U) << 23U, kOne = 1U << 23U;
  constexpr float kSmallest = 0x1p-6F;  // with a leading one
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t code = codes[i], bits = ((code & 0x7fU) << 20U) + kBias;
    const float normal = std::bit_cast<float>(bits);
    const float small = std::bit_cast<float>(bits + kOne) - kSmallest;
    const float magnitude = (code & 0x78U) != 0 ? normal : small;
    numbers[i] = (code & 0x80U) != 0 ? -magnitude : magnitude;
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
