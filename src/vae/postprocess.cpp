#include "src/vae/postprocess.h"

#include <algorithm>

namespace trireme {
namespace {

// Rounded down, as diffusers does; where an ulp of the ratio would leave it short, it still covers.
int64_t scaled_side(int64_t side, double ratio, int64_t wanted) {
  return std::max(static_cast<int64_t>(static_cast<double>(side) * ratio), wanted);
}

}  // namespace

at::Tensor to_pixels(const at::Tensor& image) {
  const auto unit = image.mul(0.5).add_(0.5).clamp_(0, 1).to(at::kFloat);
  return unit.mul(255).round_().to(at::kByte).movedim(-3, -1).contiguous().cpu();
}

at::Tensor resize_and_crop(const at::Tensor& image, int64_t height, int64_t width) {
  const auto h = image.size(2), w = image.size(3);
  if (h == height && w == width) return image;
  const auto ratio = std::max(static_cast<double>(height) / static_cast<double>(h),
                              static_cast<double>(width) / static_cast<double>(w));
  const auto rows = scaled_side(h, ratio, height), columns = scaled_side(w, ratio, width);
  const auto resized = at::upsample_bilinear2d(image, {rows, columns}, /*align_corners=*/false);
  return resized.narrow(2, (rows - height) / 2, height).narrow(3, (columns - width) / 2, width);
}

}  // namespace trireme
