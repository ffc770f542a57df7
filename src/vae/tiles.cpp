#include "src/vae/tiles.h"

#include <algorithm>
#include <vector>

namespace trireme {
namespace {

constexpr int64_t kRows = 2, kColumns = 3;  // dimensions
constexpr double kOverlap = 0.25;           // of a tile

// Sides as diffusers rounds them.
struct TileSides {
  explicit TileSides(const VaeConfig& c)
      : pixels(c.sample_size),
        latents(c.sample_size / c.upscale()),
        stride(static_cast<int64_t>(static_cast<double>(latents) * (1 - kOverlap))),
        fade(static_cast<int64_t>(static_cast<double>(pixels) * kOverlap)) {}

  int64_t pixels, latents;
  int64_t stride;  // latents from one tile to the next
  int64_t fade;    // pixels in which one tile becomes the next
};

// The end of `before` fades into the beginning of `tile`.
void fade_into(const at::Tensor& tile, const at::Tensor& before, int64_t dim, int64_t most) {
  const auto length = std::min({before.size(dim), tile.size(dim), most});
  std::vector<int64_t> along(tile.dim(), 1);
  along[dim] = length;
  const auto part = at::arange(length, at::kDouble).div(static_cast<double>(length));
  const auto weight = [&](const at::Tensor& w) { return w.to(tile.options()).view(along); };
  auto begin = tile.narrow(dim, 0, length);
  const auto end = before.narrow(dim, before.size(dim) - length, length);
  begin.copy_(end * weight(1 - part) + begin * weight(part));
}

at::Tensor cropped(const at::Tensor& tile, int64_t side) {
  return tile.narrow(kRows, 0, std::min(side, tile.size(kRows)))
      .narrow(kColumns, 0, std::min(side, tile.size(kColumns)));
}

}  // namespace

bool needs_tiles(const at::Tensor& latents, const VaeConfig& config) {
  return std::max(latents.size(kRows), latents.size(kColumns)) > TileSides(config).latents;
}

at::Tensor decode_in_tiles(const at::Tensor& latents, const VaeConfig& config,
                           const std::function<at::Tensor(const at::Tensor&)>& decode) {
  const TileSides sides(config);
  const auto piece = [&](const at::Tensor& x, int64_t dim, int64_t from) {
    return x.narrow(dim, from, std::min(sides.latents, x.size(dim) - from));
  };
  std::vector<at::Tensor> bands, above;  // the tiles of the row above, faded already
  for (int64_t row = 0; row < latents.size(kRows); row += sides.stride) {
    std::vector<at::Tensor> tiles, kept;
    for (int64_t column = 0; column < latents.size(kColumns); column += sides.stride) {
      const auto tile = decode(piece(piece(latents, kRows, row), kColumns, column));
      if (row > 0) fade_into(tile, above[tiles.size()], kRows, sides.fade);
      if (column > 0) fade_into(tile, tiles.back(), kColumns, sides.fade);
      kept.push_back(cropped(tile, sides.pixels - sides.fade));
      tiles.push_back(tile);
    }
    bands.push_back(at::cat(kept, kColumns));
    above = std::move(tiles);
  }
  return at::cat(bands, kRows);
}

}  // namespace trireme
