#include "parallel/layers/bands.h"

#include <vector>

namespace trireme {
namespace {

constexpr int64_t kRows = 2;  // dimension

}  // namespace

at::Tensor Bands::mine(const at::Tensor& image) const {
  return whole() ? image : shard(image, kRows, rows_, group_.rank());
}

int64_t Bands::below() const {
  const int next = group_.rank() + 1;
  return next < group_.size() && rows_[next].length > 0 ? 1 : 0;
}

at::Tensor Bands::with_halo(const at::Tensor& band) const {
  if (above() + below() == 0) return band;
  std::vector<Pending> sent;
  // Gives the outermost row on that side and takes the neighbour's.
  const auto exchange = [&](int64_t row, int neighbour) {
    const auto edge = band.narrow(kRows, row, 1);
    sent.push_back(group_.start_send(edge, neighbour));
    return group_.start_receive(edge, neighbour);
  };
  std::optional<Pending> before, after;
  if (above() > 0) before.emplace(exchange(0, group_.rank() - 1));
  if (below() > 0) after.emplace(exchange(band.size(kRows) - 1, group_.rank() + 1));
  std::vector<at::Tensor> rows;
  if (before) rows.push_back(before->wait());
  rows.push_back(band);
  if (after) rows.push_back(after->wait());
  for (auto& edge : sent) edge.wait();
  return at::cat(rows, kRows);
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
