#include "parallel/layers/nf4_matrix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "parallel/cpu.h"
#include "parallel/error.h"

namespace trireme {
namespace {

struct Pair {
  float first, second;
};

// What the two codes of a byte stand for.
const std::array<Pair, 256>& pairs() {
  static const auto table = [] {
    std::array<Pair, 256> all;
    for (int byte = 0; byte < 256; ++byte)
      all[byte] = {kNf4Values[byte >> 4], kNf4Values[byte & 15]};
    return all;
  }();
  return table;
}

// The values of `count` codes, without their scales.
void decode_row(const uint8_t* bytes, float* numbers, int64_t count) {
  const auto* table = pairs().data();
  for (int64_t byte = 0; byte < count / 2; ++byte)
    std::memcpy(numbers + 2 * byte, table + bytes[byte], sizeof(Pair));
  if (count % 2 == 1) numbers[count - 1] = table[bytes[count / 2]].first;
}

// Whole blocks, each with its scale: 32 codes at a time, as the compiler's vectors.
TRIREME_EACH_CPU void decode_blocks(const uint8_t* bytes, const float* scales, float* numbers,
                                    int64_t blocks) {
  constexpr Ints kFirst = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
  constexpr Ints kSecond = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  constexpr int64_t kCodes = 32;
  Floats values;
  std::memcpy(&values, kNf4Values.data(), sizeof(values));
  for (int64_t i = 0; i < blocks * kNf4Block / kCodes; ++i) {
    Bytes both;
    std::memcpy(&both, bytes + i * sizeof(both), sizeof(both));
    const auto wide = __builtin_convertvector(both, Ints);
    const float scale = scales[i * kCodes / kNf4Block];
    const Floats even = __builtin_shuffle(values, wide >> 4) * scale;
    const Floats odd = __builtin_shuffle(values, wide & 15) * scale;
    const Floats first = __builtin_shuffle(even, odd, kFirst);
    const Floats second = __builtin_shuffle(even, odd, kSecond);
    std::memcpy(numbers + i * kCodes, &first, sizeof(first));
    std::memcpy(numbers + i * kCodes + kCodes / 2, &second, sizeof(second));
  }
}

TRIREME_EACH_CPU void scale_run(float* numbers, float scale, int64_t count) {
  for (int64_t i = 0; i < count; ++i) numbers[i] *= scale;
}

int64_t block_count(int64_t out, int64_t in) {
  return (out * in + kNf4Block - 1) / kNf4Block;
}

// float32 [blocks] of the whole matrix, zero where this rank has nothing.
at::Tensor largest_of_blocks(const MatrixSlice& slice, const BlockGrid& grid) {
  const auto blocks = block_count(slice.out(), slice.in());
  const auto largest =
      at::zeros({blocks}, at::TensorOptions().dtype(at::kFloat).device(slice.device()));
  const auto raise = [&](const at::Tensor& numbers, Part rows) {
    if (!numbers.is_cpu()) return raise_largest(largest, numbers, grid, rows);
    raise_largest_on_host(largest.data_ptr<float>(), numbers.contiguous().const_data_ptr<float>(),
                          grid, rows);
  };
  // Of rows that share a block, only one thread may raise it.
  using Order = MatrixSlice::Order;
  slice.for_each_chunk(raise, grid.rows_apart() ? Order::kAny : Order::kInTurn);
  return largest;
}

// uint8 [rows, columns / 2 up]
at::Tensor bytes_of(const MatrixSlice& slice, const BlockGrid& grid, const at::Tensor& largest) {
  const auto bytes = at::empty({slice.rows(), (slice.columns() + 1) / 2},
                               at::TensorOptions().dtype(at::kByte).device(slice.device()));
  const int64_t count = slice.out() * slice.in();
  slice.for_each_chunk([&](const at::Tensor& numbers, Part rows) {
    const auto to = bytes.narrow(0, rows.begin, rows.length);
    if (!numbers.is_cpu()) {
      to.copy_(nf4_bytes(numbers, largest, grid, rows, count));
      return;
    }
    nf4_bytes_on_host(to.data_ptr<uint8_t>(), numbers.contiguous().const_data_ptr<float>(),
                      largest.const_data_ptr<float>(), grid, rows, count);
  });
  return bytes;
}

// The codes of a file, [n / 2 up, 1], that run on from row to row, as ours, whose rows begin anew.
at::Tensor repacked(const MatrixSlice& slice, const BlockGrid& grid) {
  const auto half = [](int64_t codes) { return (codes + 1) / 2; };
  const int64_t first = slice.cuts_columns() ? 0 : grid.begin(0) / 2;
  const int64_t last =
      half(slice.cuts_columns() ? slice.out() * slice.in() : grid.begin(slice.rows()));
  auto stored = at::empty({last - first, 1}, at::kByte);
  slice.weights().read_into(stored, slice.name(), {half(slice.out() * slice.in()), 1}, 0,
                            {first, last - first});
  auto bytes = at::zeros({slice.rows(), half(slice.columns())}, at::kByte);
  const auto* from = stored.const_data_ptr<uint8_t>();
  auto* to = bytes.data_ptr<uint8_t>();
  for (int64_t row = 0; row < slice.rows(); ++row, to += bytes.size(1)) {
    const int64_t begin = grid.begin(row) - 2 * first;
    if (begin % 2 == 0 && slice.columns() % 2 == 0) {
      std::copy_n(from + begin / 2, bytes.size(1), to);
      continue;
    }
    for (int64_t c = 0; c < slice.columns(); ++c) {
      const int code = from[(begin + c) / 2] >> ((begin + c) % 2 == 0 ? 4 : 0) & 15;
      to[c / 2] = static_cast<uint8_t>(to[c / 2] | code << (c % 2 == 0 ? 4 : 0));
    }
  }
  return bytes.to(slice.device());
}

at::Tensor read_floats(const MatrixSlice& slice, const std::string& name, int64_t count) {
  auto out = at::empty({count}, at::TensorOptions().dtype(at::kFloat).device(slice.device()));
  slice.weights().read_into(out, name, {count}, 0, {0, count});
  return out;
}

void expect_nf4(const MatrixSlice& slice, const StoredCodes& stored) {
  const auto& w = slice.weights();
  const auto map = slice.name() + ".quant_map";
  const auto ours = at::tensor(at::ArrayRef<float>(kNf4Values.data(), kNf4Values.size()));
  const auto theirs = read_floats(slice, map, static_cast<int64_t>(kNf4Values.size()));
  if (!at::allclose(theirs.to(at::kCPU), ours, 0, 1e-6))
    throw Error(
        Exit::kBadData,
        fmt::format("[weights] {} -> the values of nf4 -> codes of another kind", w.where(map)));
  const std::vector<int64_t> shape{slice.out(), slice.in()};
  if (stored.shape != shape)
    throw Error(
        Exit::kBadData,
        fmt::format("[weights] {} has shape [{}] -> [{}] is needed -> the file does not "
                    "belong to the config.json beside it",
                    w.where(slice.name()), fmt::join(stored.shape, ", "), fmt::join(shape, ", ")));
}

}  // namespace

Nf4Matrix::Nf4Matrix(BlockGrid grid, at::Tensor bytes, const at::Tensor& scales)
    : grid_(grid), bytes_(std::move(bytes)), scales_(own(scales)) {}

Nf4Matrix::Nf4Matrix(BlockGrid grid, at::Tensor bytes, ScaleCodes scales)
    : grid_(grid), bytes_(std::move(bytes)), nested_(std::move(scales)) {
  nested_.codes = own(nested_.codes);
}

at::Tensor Nf4Matrix::own(const at::Tensor& of_blocks) const {
  const auto numbers = grid_.block_numbers(of_blocks.size(0), {0, rows()});
  return of_blocks.index({numbers.to(of_blocks.device())});
}

Nf4Matrix Nf4Matrix::quantize(const MatrixSlice& slice, bool double_quant) {
  const BlockGrid grid{slice.in(), slice.row_part(), slice.column_part()};
  const auto largest = largest_over(slice.group(), largest_of_blocks(slice, grid));
  const auto bytes = bytes_of(slice, grid, largest);
  if (double_quant) return {grid, bytes, quantize_scales(largest)};
  return {grid, bytes, largest};
}

Nf4Matrix Nf4Matrix::read(const MatrixSlice& slice, const StoredCodes& stored) {
  expect_nf4(slice, stored);
  const BlockGrid grid{slice.in(), slice.row_part(), slice.column_part()};
  const auto blocks = block_count(slice.out(), slice.in());
  const auto name = slice.name() + ".absmax";
  if (!stored.double_quant) return {grid, repacked(slice, grid), read_floats(slice, name, blocks)};
  const auto& w = slice.weights();
  return {grid, repacked(slice, grid),
          ScaleCodes{.codes = w.read(name, {blocks}),
                     .largest = read_floats(slice, slice.name() + ".nested_absmax",
                                            (blocks + kScaleBlock - 1) / kScaleBlock),
                     .values = read_floats(slice, slice.name() + ".nested_quant_map", 256),
                     .offset = stored.nested_offset}};
}

std::vector<at::Tensor> Nf4Matrix::tensors() const {
  if (scales_.defined()) return {bytes_, scales_};
  return {bytes_, nested_.codes, nested_.largest, nested_.values};
}

at::Tensor Nf4Matrix::scales(Part rows) const {
  if (scales_.defined()) return scales_.narrow(0, rows.begin, rows.length);
  const auto codes = nested_.codes.narrow(0, rows.begin, rows.length).to(at::kLong);
  const auto numbers =
      grid_.block_numbers(nested_.largest.size(0) * kScaleBlock, rows).floor_divide_(kScaleBlock);
  const auto largest = nested_.largest.index({numbers.to(codes.device())});
  return nested_.values.take(codes).mul_(largest).add_(nested_.offset);
}

void Nf4Matrix::fill(const at::Tensor& tile, Part rows) const {
  const auto values = at::tensor(at::ArrayRef<float>(kNf4Values.data(), kNf4Values.size()));
  const auto codes = unpacked(bytes_.narrow(0, rows.begin, rows.length), columns());
  const auto numbers = values.to(codes.device()).index_select(0, codes.flatten());
  tile.copy_(numbers.view(codes.sizes()).mul_(grid_.spread(scales(rows), rows)));
}

void Nf4Matrix::fill_on_host(float* tile, Part rows) const {
  const auto all_scales = scales(rows).contiguous();
  if (grid_.aligned() && columns() % kNf4Block == 0)
    return decode_blocks(bytes_.const_data_ptr<uint8_t>() + rows.begin * bytes_.size(1),
                         all_scales.const_data_ptr<float>(), tile,
                         rows.length * columns() / kNf4Block);
  for (int64_t row = 0; row < rows.length; ++row) {
    const int64_t number = rows.begin + row;
    const auto* bytes = bytes_.const_data_ptr<uint8_t>() + number * bytes_.size(1);
    float* out = tile + row * columns();
    decode_row(bytes, out, columns());
    const auto* scale = all_scales.const_data_ptr<float>() + row * grid_.per_row();
    int64_t end = std::min(columns(), kNf4Block - grid_.phase(number));
    for (int64_t c = 0; c < columns(); c = end, end = std::min(columns(), end + kNf4Block))
      scale_run(out + c, *scale++, end - c);
  }
}

}  // namespace trireme
