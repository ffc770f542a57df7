#include "parallel/layers/nf4_codes.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace trireme {
namespace {

constexpr double kTiny = 1e-38;  // a block of zeros has no scale to divide by

// The mean that one thread computes: with more of them the last bit would depend on their number.
double mean_of(const at::Tensor& x) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto mean = x.to(at::kCPU).mean();
  at::set_num_threads(threads);
  return mean.item<double>();
}

at::Tensor midpoints(const at::Tensor& values) {
  const auto n = values.size(0) - 1;
  return values.narrow(0, 0, n).add(values.narrow(0, 1, n)).div_(2);
}

at::Tensor nf4_values() {
  return at::tensor(at::ArrayRef<float>(kNf4Values.data(), kNf4Values.size()));
}

// Two codes to a byte.
at::Tensor packed(const at::Tensor& codes) {
  const auto even = at::constant_pad_nd(codes.to(at::kByte), {0, codes.size(1) % 2});
  const auto pairs = even.view({codes.size(0), even.size(1) / 2, 2});
  return pairs.select(2, 0).bitwise_left_shift(4).bitwise_or(pairs.select(2, 1));
}

// Index of the nearest value; the lower of two that are as near.
at::Tensor nearest(const at::Tensor& x, const at::Tensor& values) {
  const auto above = at::bucketize(x, values).clamp_max_(values.size(0) - 1);
  const auto below = above.sub(1).clamp_min_(0);
  const auto rises = (values.take(above) - x).abs().lt((x - values.take(below)).abs());
  return at::where(rises, above, below);
}

}  // namespace

int64_t BlockGrid::per_row() const {
  if (columns.length == 0) return 0;
  const int64_t latest = aligned() ? 0 : kNf4Block - 1;  // where in its block a row may begin
  return (latest + columns.length - 1) / kNf4Block + 1;
}

at::Tensor BlockGrid::places(Part part) const {
  const auto begins =
      at::arange(part.begin, part.end(), at::kLong).add_(rows.begin).mul_(in).add_(columns.begin);
  return begins.unsqueeze(1).add(at::arange(columns.length, at::kLong));
}

at::Tensor BlockGrid::block_numbers(int64_t blocks, Part part) const {
  const auto first = at::arange(part.begin, part.end(), at::kLong)
                         .add_(rows.begin)
                         .mul_(in)
                         .add_(columns.begin)
                         .floor_divide_(kNf4Block);
  return first.unsqueeze(1).add(at::arange(per_row(), at::kLong)).clamp_max_(blocks - 1);
}

at::Tensor BlockGrid::spread(const at::Tensor& scales, Part part) const {
  if (aligned())
    return scales.unsqueeze(2)
        .expand({part.length, per_row(), kNf4Block})
        .reshape({part.length, per_row() * kNf4Block})
        .narrow(1, 0, columns.length);
  const auto options = scales.options().dtype(at::kLong);
  const auto phase = at::arange(part.begin, part.end(), options)
                         .add_(rows.begin)
                         .mul_(in)
                         .add_(columns.begin)
                         .remainder_(kNf4Block);
  const auto block =
      phase.unsqueeze(1).add(at::arange(columns.length, options)).floor_divide_(kNf4Block);
  return scales.gather(1, block);
}

void raise_largest(const at::Tensor& largest, const at::Tensor& numbers, const BlockGrid& grid,
                   Part rows) {
  if (numbers.numel() == 0) return;
  auto magnitudes = numbers.abs();
  if (grid.aligned() && grid.columns.length % kNf4Block == 0) {
    magnitudes = magnitudes.view({rows.length, grid.per_row(), kNf4Block}).amax(2);
    const auto blocks = grid.block_numbers(largest.size(0), rows).to(largest.device());
    largest.index_put_({blocks}, magnitudes);
    return;
  }
  const auto block = grid.places(rows).floor_divide_(kNf4Block).to(largest.device());
  largest.scatter_reduce_(0, block.flatten(), magnitudes.flatten(), "amax");
}

at::Tensor nf4_bytes(const at::Tensor& numbers, const at::Tensor& largest, const BlockGrid& grid,
                     Part rows, int64_t count) {
  const auto of_rows = grid.block_numbers(largest.size(0), rows).to(largest.device());
  const auto safe = grid.spread(largest.index({of_rows}), rows).clamp_min(kTiny);
  auto scaled = numbers * safe.reciprocal();
  if (count % kNf4Block != 0) {
    const auto of_all = grid.places(rows).to(largest.device());
    scaled = at::where(of_all.ge(count - count % kNf4Block), numbers / safe, scaled);
  }
  const auto bounds = midpoints(nf4_values()).to(largest.device());
  return packed(at::bucketize(scaled.clamp_(-1, 1), bounds, /*out_int32=*/true));
}

at::Tensor unpacked(const at::Tensor& bytes, int64_t columns) {
  const auto pairs = at::stack({bytes.bitwise_right_shift(4), bytes.bitwise_and(15)}, 2);
  return pairs.flatten(1).narrow(1, 0, columns).to(at::kInt);
}

ScaleCodes quantize_scales(const at::Tensor& scales) {
  const auto n = scales.size(0), blocks = (n + kScaleBlock - 1) / kScaleBlock;
  const auto values = dynamic_values().to(scales.device());
  const double offset = mean_of(scales);
  const auto centred = at::constant_pad_nd(scales.sub(offset), {0, blocks * kScaleBlock - n})
                           .view({blocks, kScaleBlock});
  const auto largest = centred.abs().amax(1);
  const auto scaled = centred * largest.clamp_min(kTiny).reciprocal().unsqueeze(1);
  const auto codes = nearest(scaled.clamp_(-1, 1), values).to(at::kByte).flatten();
  return {codes.narrow(0, 0, n).clone(), largest, values, offset};
}

at::Tensor dynamic_values() {
  constexpr int kExponents = 7;
  std::vector<at::Tensor> parts = {at::tensor({0.0f, 1.0f})};
  for (int i = 0; i < kExponents; ++i) {
    const auto means = midpoints(at::linspace(0.1, 1, (int64_t{1} << i) + 1, at::kFloat));
    const auto scaled = means.mul(std::pow(10.0, i - kExponents + 1));
    parts.push_back(scaled);
    parts.push_back(scaled.neg());
  }
  return std::get<0>(at::cat(parts).sort());
}

}  // namespace trireme
