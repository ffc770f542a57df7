#include "src/vae/postprocess.h"

#include <algorithm>

namespace trireme {
namespace {

// Rounded down, as diffusers does; where an ulp of the ratio would leave it short, it still covers.
int64_t scaled_side(int64_t side, double ratio, int64_t wanted) {
  return std::max(static_cast<int64_t>(static_cast<double>(side) * ratio), wanted);
}

struct Sides {
  int64_t rows, columns;
};

// Of an image h x w scaled so that it covers height x width.
Sides covering(int64_t h, int64_t w, int64_t height, int64_t width) {
  const auto ratio = std::max(static_cast<double>(height) / static_cast<double>(h),
                              static_cast<double>(width) / static_cast<double>(w));
  return {scaled_side(h, ratio, height), scaled_side(w, ratio, width)};
}

// The first row of the next rank's band; below the last one its own last row.
at::Tensor row_below(const at::Tensor& band, const Group& patch, const Split& rows) {
  const int rank = patch.rank(), next = rank + 1;
  const auto first = band.narrow(2, 0, 1);
  if (rank > 0) patch.start_send(first, rank - 1);
  const bool last = next == patch.size() || rows[next].length == 0;
  return last ? band.narrow(2, band.size(2) - 1, 1) : patch.receive(first, next);
}

// A row of a resized image: between this row of the original and the next one.
struct Between {
  int64_t row;
  float next;  // its weight
};

// Bilinear, corners not aligned, in float32 as ATen reckons.
Between between(int64_t row, int64_t resized_rows, int64_t original_rows) {
  const float scale = static_cast<float>(original_rows) / static_cast<float>(resized_rows);
  const float source = std::max(scale * (static_cast<float>(row) + 0.5F) - 0.5F, 0.0F);
  const auto above = std::min(static_cast<int64_t>(source), original_rows - 1);
  return {above, source - static_cast<float>(above)};
}

}  // namespace

at::Tensor to_pixels(const at::Tensor& image) {
  const auto unit = image.mul(0.5).add_(0.5).clamp_(0, 1).to(at::kFloat);
  return unit.mul(255).round_().to(at::kByte).movedim(-3, -1).contiguous().cpu();
}

at::Tensor resize_and_crop(const at::Tensor& image, int64_t height, int64_t width) {
  const auto h = image.size(2), w = image.size(3);
  if (h == height && w == width) return image;
  const auto [rows, columns] = covering(h, w, height, width);
  const auto resized = at::upsample_bilinear2d(image, {rows, columns}, /*align_corners=*/false);
  return resized.narrow(2, (rows - height) / 2, height).narrow(3, (columns - width) / 2, width);
}

ResizedBand resize_and_crop(const at::Tensor& band, const Group& patch, const Split& rows,
                            int64_t height, int64_t width) {
  const auto h = rows.units(), w = band.size(3);
  const auto sides = covering(h, w, height, width);
  std::vector<int64_t> lengths(rows.parts(), 0), above;
  std::vector<float> next_weights;
  for (int64_t row = 0; row < height; ++row) {
    const auto source = between(row + (sides.rows - height) / 2, sides.rows, h);
    const int owner = rows.owner(source.row);
    ++lengths[owner];
    if (owner != patch.rank()) continue;
    above.push_back(source.row - rows[owner].begin);
    next_weights.push_back(source.next);
  }
  const auto picture_rows = Split::of_lengths(lengths);
  if (band.size(2) == 0)
    return {at::empty({band.size(0), 3, 0, width}, band.options()), picture_rows};
  // Columns first, as ATen does.
  const auto wide = at::upsample_bilinear2d(band, {band.size(2), sides.columns}, false)
                        .narrow(3, (sides.columns - width) / 2, width)
                        .to(at::kFloat);
  const auto stretched = at::cat({wide, row_below(wide, patch, rows)}, 2);
  const auto index = at::tensor(above, at::kLong).to(band.device());
  const auto weights = at::tensor(next_weights, at::kFloat).to(band.device()).unsqueeze(1);
  const auto mixed = stretched.index_select(2, index) * (1 - weights) +
                     stretched.index_select(2, index + 1) * weights;
  return {mixed.to(band.scalar_type()), picture_rows};
}

}  // namespace trireme
