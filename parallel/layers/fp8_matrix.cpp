#include "parallel/layers/fp8_matrix.h"

#include <fmt/format.h>

#include <array>

#include "parallel/error.h"

namespace trireme {
namespace {

constexpr double kLargest = 448;

std::array<float, 256> make_table() {
  std::array<float, 256> table;
  const auto all = at::arange(256, at::kLong).to(at::kByte).view(at::kFloat8_e4m3fn).to(at::kFloat);
  std::copy_n(all.const_data_ptr<float>(), table.size(), table.begin());
  return table;
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
  static const auto table = make_table();
  const auto* codes =
      static_cast<const uint8_t*>(numbers_.const_data_ptr()) + rows.begin * columns();
  for (int64_t i = 0; i < rows.length * columns(); ++i) tile[i] = table[codes[i]];
}

}  // namespace trireme
