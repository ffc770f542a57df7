#include "src/vae/tiles.h"

#include <algorithm>
#include <vector>

#include "src/vae/tile_grid.h"

namespace trireme {
namespace {

constexpr int64_t kRows = 2, kColumns = 3;  // dimensions

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

at::Tensor decode_in_tiles(const at::Tensor& latents, const VaeConfig& config,
                           const std::function<at::Tensor(const at::Tensor&)>& decode) {
  const TileSides sides(config);
  const auto all_columns = tiles_along(latents.size(kColumns), config);
  std::vector<at::Tensor> bands, above;  // the tiles of the row above, faded already
  for (const auto& rows : tiles_along(latents.size(kRows), config)) {
    std::vector<at::Tensor> tiles, kept;
    for (const auto& columns : all_columns) {
      const auto tile = decode(latents.narrow(kRows, rows.begin, rows.length)
                                   .narrow(kColumns, columns.begin, columns.length));
      if (rows.begin > 0) fade_into(tile, above[tiles.size()], kRows, sides.fade);
      if (columns.begin > 0) fade_into(tile, tiles.back(), kColumns, sides.fade);
      kept.push_back(cropped(tile, sides.pixels - sides.fade));
      tiles.push_back(tile);
    }
    bands.push_back(at::cat(kept, kColumns));
    above = std::move(tiles);
  }
  return at::cat(bands, kRows);
}

}  // namespace trireme
