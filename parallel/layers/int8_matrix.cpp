#include "parallel/layers/int8_matrix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "parallel/cpu.h"
#include "parallel/error.h"

namespace trireme {
namespace {

constexpr double kSteps = 127;
// So many products of two codes sum up to less than 2^24, which float32 holds exactly.
constexpr int64_t kExactColumns = 1024;

// numbers float32 [rows, columns], largest [rows] -> int8
at::Tensor rounded(const at::Tensor& numbers, const at::Tensor& largest) {
  const auto steps = largest.reciprocal().mul_(kSteps);  // rounded twice, as bitsandbytes does
  // A row of zeros has no steps.
  return numbers.mul(steps.unsqueeze(1)).round_().nan_to_num_().to(at::kChar);
}

TRIREME_EACH_CPU void scale_row(const int8_t* codes, float scale, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(codes[i]) * scale;
}

bool multiplies(const at::Tensor& a, const at::Tensor& b) {
  // A single row or column has no layout that ATen could tell.
  if (a.size(0) < 2 || a.size(1) < 2 || b.size(0) < 2) return false;
  if (a.is_cpu()) return multiplies_int8();
  constexpr int64_t kMinRows = 17, kMultiple = 8;  // cuBLAS' conditions
  return a.size(0) >= kMinRows && a.size(1) % kMultiple == 0 && b.size(0) % kMultiple == 0;
}

}  // namespace

at::Tensor product_of_integers_as_floats(const at::Tensor& a, const at::Tensor& b) {
  auto sum = at::zeros({a.size(0), b.size(0)}, a.options().dtype(at::kInt));
  for (int64_t k = 0; k < a.size(1); k += kExactColumns) {
    const auto columns = std::min(kExactColumns, a.size(1) - k);
    sum.add_(
        at::mm(a.narrow(1, k, columns).to(at::kFloat), b.narrow(1, k, columns).to(at::kFloat).t())
            .to(at::kInt));
  }
  return sum;
}

at::Tensor product_of_integers(const at::Tensor& a, const at::Tensor& b) {
  return multiplies(a, b) ? at::_int_mm(a, b.t()) : product_of_integers_as_floats(a, b);
}

Int8Matrix::Int8Matrix(at::Tensor codes, at::Tensor scales, const MatrixSlice& slice,
                       std::optional<double> activation_threshold)
    : codes_(std::move(codes)),
      scales_(std::move(scales)),
      activation_threshold_(activation_threshold),
      columns_group_(slice.cuts_columns() ? slice.group() : Group()) {}

Int8Matrix Int8Matrix::quantize(const MatrixSlice& slice,
                                std::optional<double> activation_threshold) {
  const auto on_device = at::TensorOptions().device(slice.device());
  auto largest = at::zeros({slice.rows()}, on_device.dtype(at::kFloat));
  if (slice.columns() > 0)
    slice.for_each_chunk([&](const at::Tensor& numbers, Part rows) {
      largest.narrow(0, rows.begin, rows.length).copy_(numbers.abs().amax(1));
    });
  if (slice.cuts_columns()) largest = largest_over(slice.group(), largest);
  const auto codes = at::empty({slice.rows(), slice.columns()}, on_device.dtype(at::kChar));
  slice.for_each_chunk([&](const at::Tensor& numbers, Part rows) {
    codes.narrow(0, rows.begin, rows.length)
        .copy_(rounded(numbers, largest.narrow(0, rows.begin, rows.length)));
  });
  return {codes, largest, slice, activation_threshold};
}

Int8Matrix Int8Matrix::read(const MatrixSlice& slice, const StoredCodes& stored,
                            std::optional<double> activation_threshold) {
  const std::vector<int64_t> shape{slice.out(), slice.in()};
  const bool cut = slice.cuts_columns();
  const auto& weights = slice.weights();
  if (stored.shape != shape)
    throw Error(Exit::kBadData,
                fmt::format("[weights] {} has shape [{}] -> [{}] is needed -> the file does not "
                            "belong to the config.json beside it",
                            weights.where(slice.name()), fmt::join(stored.shape, ", "),
                            fmt::join(shape, ", ")));
  auto codes =
      weights.read(slice.name(), shape, cut ? 1 : 0, cut ? slice.column_part() : slice.row_part());
  auto scales =
      at::empty({slice.rows()}, at::TensorOptions().dtype(at::kFloat).device(slice.device()));
  weights.read_into(scales, "SCB", {slice.out()}, 0, slice.row_part());
  return {std::move(codes), std::move(scales), slice, activation_threshold};
}

void Int8Matrix::fill(const at::Tensor& tile, Part rows) const {
  const auto scales = scales_.narrow(0, rows.begin, rows.length).div(kSteps).unsqueeze(1);
  tile.copy_(codes_.narrow(0, rows.begin, rows.length).to(at::kFloat).mul_(scales));
}

void Int8Matrix::fill_on_host(float* tile, Part rows) const {
  const auto* scales = scales_.const_data_ptr<float>();
  for (int64_t row = 0; row < rows.length; ++row) {
    const int64_t number = rows.begin + row;
    scale_row(codes_.const_data_ptr<int8_t>() + number * columns(),
              scales[number] / static_cast<float>(kSteps), tile + row * columns(), columns());
  }
}

void Int8Matrix::multiply(const at::Tensor& x, const at::Tensor& y) const {
  if (!activation_threshold_) return QuantizedMatrix::multiply(x, y);
  const auto wide = x.to(at::kFloat);
  // A threshold of zero is none, in bitsandbytes.
  const auto outliers =
      *activation_threshold_ > 0 ? wide.abs().ge(*activation_threshold_) : at::Tensor();
  const auto kept = outliers.defined() ? wide.masked_fill(outliers, 0) : wide;
  auto largest = columns() > 0 ? kept.abs().amax(1) : at::zeros({x.size(0)}, wide.options());
  largest = largest_over(columns_group_, largest);
  auto codes = rounded(kept, largest);
  const auto columns = outliers.defined() ? outliers.any(0).nonzero().squeeze(1) : at::Tensor();
  const bool some = columns.defined() && columns.numel() > 0;
  if (some) codes.index_fill_(1, columns, 0);
  const auto sum = integer_product(codes)
                       .to(at::kFloat)
                       .mul_(largest.div(kSteps * kSteps).unsqueeze(1))
                       .mul_(scales_);
  if (some && x.is_cpu()) add_outliers_on_host(wide.t().index_select(0, columns), columns, sum);
  if (some && !x.is_cpu()) add_outliers(x.index_select(1, columns), columns, sum);
  y.copy_(sum);
}

at::Tensor Int8Matrix::integer_product(const at::Tensor& x) const {
  return product_of_integers(x, codes_);
}

// These columns of the weight, as numbers.
at::Tensor Int8Matrix::tile_of(const at::Tensor& columns, Part rows) const {
  const auto scales = scales_.narrow(0, rows.begin, rows.length).div(kSteps).unsqueeze(1);
  const auto codes = codes_.narrow(0, rows.begin, rows.length).index_select(1, columns);
  return codes.to(at::kFloat).mul_(scales);
}

// x [n, some columns].
void Int8Matrix::add_outliers(const at::Tensor& x, const at::Tensor& columns,
                              const at::Tensor& sum) const {
  for_each_tile(*this, x, [&](Part rows) {
    const auto tile = tile_of(columns, rows).to(x.scalar_type());
    sum.narrow(1, rows.begin, rows.length).add_(at::linear(x, tile));
  });
}

// across [some columns, n], float32.
void Int8Matrix::add_outliers_on_host(const at::Tensor& across, const at::Tensor& columns,
                                      const at::Tensor& sum) const {
  prepare_products();
  for_each_tile(*this, across, [&](Part rows) {
    const auto products = product_of_tile(tile_of(columns, rows), across);
    sum.narrow(1, rows.begin, rows.length).add_(products.t());
  });
}

}  // namespace trireme
