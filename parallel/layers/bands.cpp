#include "parallel/layers/bands.h"

#include <optional>
#include <vector>

#include "parallel/layers/band_rows.h"

namespace trireme {
namespace {

constexpr int64_t kRows = 2;  // dimension

}  // namespace

at::Tensor Bands::mine(const at::Tensor& image) const {
  return whole() ? image : shard(image, kRows, rows_, group_.rank());
}

at::Tensor Bands::apply(const at::Tensor& band, int64_t scale, const RowMap& f) const {
  const auto rows = band.size(kRows);
  if (whole()) return f(band);
  if (rows == 0) {  // for the shape
    auto sizes = band.sizes().vec();
    sizes[kRows] = 1;
    return f(at::zeros(sizes, band.options())).narrow(kRows, 0, 0);
  }
  std::vector<Pending> sent;
  // Gives the outermost row on that side and takes the neighbour's, if there is one.
  const auto exchange = [&](int64_t row, int neighbour) -> std::optional<Pending> {
    if (!holds_rows(neighbour)) return std::nullopt;
    const auto edge = band.narrow(kRows, row, 1);
    sent.push_back(group_.start_send(edge, neighbour));
    return group_.start_receive(edge, neighbour);
  };
  auto above = exchange(0, group_.rank() - 1), below = exchange(rows - 1, group_.rank() + 1);
  auto made = f(band);
  const auto first = above ? above->wait() : at::Tensor(),
             last = below ? below->wait() : at::Tensor();
  for (const auto& r : remade_rows(rows, first.defined(), last.defined())) {
    std::vector<at::Tensor> around;
    if (r.before) around.push_back(r.row > 0 ? band.narrow(kRows, r.row - 1, 1) : first);
    around.push_back(band.narrow(kRows, r.row, 1));
    if (r.after) around.push_back(r.row + 1 < rows ? band.narrow(kRows, r.row + 1, 1) : last);
    const auto before = r.before ? scale : 0;
    const auto again = f(at::cat(around, kRows)).narrow(kRows, before, scale);
    made.narrow(kRows, r.row * scale, scale).copy_(again);
  }
  for (auto& edge : sent) edge.wait();
  return made;
}

// Merged as Chan et al. (1979) do, weighted by rows: variances of bands say nothing of the distance
// between the bands' means.
Bands::Moments Bands::moments(const at::Tensor& x) const {
  auto mine = at::zeros({2, x.size(0), x.size(1)}, x.options().dtype(at::kFloat));
  if (x.numel() > 0) {
    const auto [variance, mean] = at::var_mean(x.to(at::kFloat), at::IntArrayRef{2}, 0);
    mine = at::stack({mean, variance});
  }
  const auto all =
      group_.all_gather(mine.unsqueeze(0), 0).to(at::kDouble);  // [ranks, 2, n, groups]
  std::vector<double> weights;
  for (int r = 0; r < group_.size(); ++r)
    weights.push_back(static_cast<double>(rows_[r].length) / static_cast<double>(rows_.units()));
  const auto share = at::tensor(weights, all.options()).view({-1, 1, 1});
  const auto means = all.select(1, 0), variances = all.select(1, 1);
  const auto merged = (share * means).sum(0);
  const auto spread = variances + (means - merged).square();
  return {merged.to(at::kFloat), (share * spread).sum(0).to(at::kFloat)};
}

}  // namespace trireme
