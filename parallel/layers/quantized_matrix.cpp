#include "parallel/layers/quantized_matrix.h"

#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>

#include "parallel/cpu.h"
#include "parallel/error.h"
#include "parallel/layers/fp8_matrix.h"
#include "parallel/layers/int8_matrix.h"
#include "parallel/layers/nf4_matrix.h"
#include "parallel/out_of_memory.h"

namespace trireme {
namespace {

constexpr int64_t kHostTileBytes = 2 << 20;     // the second-level cache of a core
constexpr int64_t kDeviceTileBytes = 64 << 20;  // long enough for a GPU to be busy
constexpr int64_t kMaxTileRows = 256, kRowStep = 16;

int64_t tile_rows(const QuantizedMatrix& matrix, const at::Tensor& like) {
  const int64_t row_bytes = std::max<int64_t>(1, matrix.columns()) * like.element_size();
  if (!like.is_cpu()) return std::max<int64_t>(kRowStep, kDeviceTileBytes / row_bytes);
  return std::clamp(kHostTileBytes / row_bytes / kRowStep * kRowStep, kRowStep, kMaxTileRows);
}

class PlainMatrix final : public QuantizedMatrix {
 public:
  explicit PlainMatrix(at::Tensor weight) : weight_(std::move(weight)) {}

  int64_t rows() const override { return weight_.size(0); }
  int64_t columns() const override { return weight_.size(1); }
  std::vector<at::Tensor> tensors() const override { return {weight_}; }
  void fill(const at::Tensor& tile, Part rows) const override {
    tile.copy_(weight_.narrow(0, rows.begin, rows.length));
  }
  void fill_on_host(float* tile, Part rows) const override {
    fill(at::from_blob(tile, {rows.length, columns()}), rows);
  }

 private:
  at::Tensor weight_;
};

MatrixPtr make_matrix(const MatrixSlice& slice, const Quantization& how) {
  const auto codes = slice.weights().codes(slice.name());
  switch (codes ? codes->kind : how.kind) {
    case Quantization::Kind::kInt8:
      return std::make_shared<Int8Matrix>(
          codes ? Int8Matrix::read(slice, *codes, how.activation_threshold)
                : Int8Matrix::quantize(slice, how.activation_threshold));
    case Quantization::Kind::kNf4:
      return std::make_shared<Nf4Matrix>(codes ? Nf4Matrix::read(slice, *codes)
                                               : Nf4Matrix::quantize(slice, how.double_quant));
    case Quantization::Kind::kFp8:
      return std::make_shared<Fp8Matrix>(Fp8Matrix::quantize(slice));
    case Quantization::Kind::kNone:
      break;
  }
  return read_plain(slice);
}

}  // namespace

void for_each_tile(const QuantizedMatrix& matrix, const at::Tensor& like,
                   const std::function<void(Part rows)>& work) {
  const int64_t step = tile_rows(matrix, like);
  const int64_t tiles = (matrix.rows() + step - 1) / step;
  const bool inference = c10::InferenceMode::is_enabled();  // is a thread's own
  const auto some = [&](int64_t begin, int64_t end) {
    const c10::InferenceMode mode(inference);
    for (int64_t tile = begin; tile < end; ++tile)
      work({tile * step, std::min(step, matrix.rows() - tile * step)});
  };
  if (like.is_cpu()) {
    at::parallel_for(0, tiles, 1, some);
  } else {
    some(0, tiles);
  }
}

int64_t QuantizedMatrix::bytes() const {
  int64_t sum = 0;
  for (const auto& tensor : tensors()) sum += static_cast<int64_t>(tensor.nbytes());
  return sum;
}

void QuantizedMatrix::multiply(const at::Tensor& x, const at::Tensor& y) const {
  x.is_cpu() ? multiply_on_host(*this, x, y) : multiply_on_device(*this, x, y);
}

void prepare_products() {
  if (has_fast_products()) require_memory_for_kernels();
}

at::Tensor product_of_tile(const at::Tensor& tile, const at::Tensor& across) {
  constexpr int64_t kTokens = 256, kChannels = 256;
  if (!has_fast_products()) return at::mm(tile, across);
  const int64_t rows = tile.size(0), columns = tile.size(1), n = across.size(1);
  auto products = at::empty({rows, n}, at::kFloat);
  for (int64_t first = 0; first < n; first += kTokens)
    for (int64_t k = 0; k < columns; k += kChannels)
      at::native::cpublas::brgemm(
          rows, std::min(kTokens, n - first), std::min(kChannels, columns - k), columns, n, n,
          k > 0, tile.const_data_ptr<float>() + k, across.const_data_ptr<float>() + k * n + first,
          products.data_ptr<float>() + first, /*is_vnni=*/false);
  at::native::cpublas::brgemm_release(/*is_vnni=*/false);
  return products;
}

// A BLAS would lay x out anew for every tile.
void multiply_in_blocks(const QuantizedMatrix& matrix, const at::Tensor& x, const at::Tensor& y) {
  const auto across = x.t().contiguous();
  prepare_products();
  for_each_tile(matrix, x, [&](Part rows) {
    const auto tile = at::empty({rows.length, matrix.columns()}, at::kFloat);
    matrix.fill_on_host(tile.data_ptr<float>(), rows);
    y.narrow(1, rows.begin, rows.length).copy_(product_of_tile(tile, across).t());
  });
}

// A thread's share of the tiles goes through one buffer, and its product runs on that thread alone.
void multiply_on_host(const QuantizedMatrix& matrix, const at::Tensor& x, const at::Tensor& y) {
  const bool float32 = x.scalar_type() == at::kFloat;
  if (float32 && has_fast_products() && x.numel() > 0) return multiply_in_blocks(matrix, x, y);
  for_each_tile(matrix, x, [&](Part rows) {
    auto tile = at::empty({rows.length, matrix.columns()}, at::kFloat);
    matrix.fill_on_host(tile.data_ptr<float>(), rows);
    auto part = y.narrow(1, rows.begin, rows.length);
    if (float32) {
      at::mm_out(part, x, tile.t());
    } else {
      part.copy_(at::linear(x, tile.to(x.scalar_type())));
    }
  });
}

void multiply_on_device(const QuantizedMatrix& matrix, const at::Tensor& x, const at::Tensor& y) {
  for_each_tile(matrix, x, [&](Part rows) {
    const auto tile = at::empty({rows.length, matrix.columns()}, x.options());
    matrix.fill(tile, rows);
    y.narrow(1, rows.begin, rows.length).copy_(at::linear(x, tile));
  });
}

at::Tensor QuantizedMatrix::look_up(const at::Tensor& ids, at::ScalarType type) const {
  const auto flat = ids.flatten().to(at::kCPU);
  const auto found =
      at::empty({flat.numel(), columns()}, at::TensorOptions().dtype(type).device(ids.device()));
  for (int64_t i = 0; i < flat.numel(); ++i)
    fill(found.narrow(0, i, 1), {flat[i].item<int64_t>(), 1});
  auto sizes = ids.sizes().vec();
  sizes.push_back(columns());
  return found.view(sizes);
}

MatrixPtr read_quantized(const MatrixSlice& slice, const Quantization& how) {
  auto matrix = make_matrix(slice, how);
  for (const auto& tensor : matrix->tensors()) slice.weights().keep(tensor);
  return matrix;
}

MatrixPtr read_plain(const MatrixSlice& slice) {
  const bool columns = slice.cuts_columns();
  return std::make_shared<PlainMatrix>(
      slice.weights().read(slice.name(), {slice.out(), slice.in()}, columns ? 1 : 0,
                           columns ? slice.column_part() : slice.row_part()));
}

}  // namespace trireme
