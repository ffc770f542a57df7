#include "parallel/plan/balanced.h"

#include <algorithm>
#include <numeric>

#include "parallel/plan/memory.h"
#include "parallel/plan/predict.h"

namespace trireme {
namespace {

std::vector<int> range(int first, int count) {
  std::vector<int> ranks(count);
  std::iota(ranks.begin(), ranks.end(), first);
  return ranks;
}

int64_t room(const Workload& work, const Cluster& cluster, const Layout& layout, int rank) {
  return cluster.device(rank).memory_bytes -
         memory_of(work, layout, rank, cluster.device(0).on_host()).peak(layout.offload);
}

// The rank that has least room.
int fullest(const Workload& work, const Cluster& cluster, const Layout& layout) {
  int worst = 0;
  for (int rank = 1; rank < layout.replica_size; ++rank)
    if (room(work, cluster, layout, rank) < room(work, cluster, layout, worst)) worst = rank;
  return worst;
}

bool fits(const Workload& work, const Cluster& cluster, const Layout& layout) {
  return room(work, cluster, layout, fullest(work, cluster, layout)) >= 0;
}

// Takes blocks from stages that do not fit and gives them to those with most room, as long as that
// helps: the cut by cost keeps all stages busy, memory moves no more than it must.
void move_blocks(const Workload& work, const Cluster& cluster, Layout& layout) {
  const auto cut = Split::by_cost(work.transformer->block_costs, layout.mesh.pipeline);
  auto& blocks = layout.mesh.blocks;
  for (int stage = 0; stage < cut.parts(); ++stage) blocks.push_back(cut[stage].length);
  const auto most = std::accumulate(blocks.begin(), blocks.end(), int64_t{0});
  for (int64_t moves = 0; moves < most; ++moves) {
    int full = 0, empty = 0;
    const auto room_of = [&](int stage) {
      return room(work, cluster, layout, layout.transformer[stage]);
    };
    for (int stage = 1; stage < cut.parts(); ++stage) {
      if (room_of(stage) < room_of(full)) full = stage;
      if (room_of(stage) > room_of(empty)) empty = stage;
    }
    if (room_of(full) >= 0 || blocks[full] <= 1) return;
    --blocks[full];
    ++blocks[empty];
  }
}

// Of those that fit the one that makes most pictures; of none that does the first.
Layout best_of(const std::vector<Layout>& layouts, const Workload& work, const Cluster& cluster) {
  const Layout* best = &layouts.front();
  double most = 0;
  for (const auto& layout : layouts) {
    if (!fits(work, cluster, layout)) continue;
    const auto images = predict(work, layout, cluster).images_per_hour;
    if (images <= most) continue;
    most = images;
    best = &layout;
  }
  return *best;
}

}  // namespace

Layout balanced_layout(const Workload& work, const Cluster& cluster) {
  const int ranks = cluster.ranks();
  const auto blocks = work.transformer ? static_cast<int>(work.transformer->blocks.size()) : ranks;
  const int stages = std::min(ranks, blocks);
  const Layout whole{.replica_size = ranks,
                     .text_encoders = {0},
                     .transformer = range(0, stages),
                     .vae = {ranks - 1},
                     .mesh = {.pipeline = stages}};
  // Every component on one rank, as diffusers has them, if all fits so.
  if (!work.transformer || fits(work, cluster, whole)) return whole;
  std::vector<Layout> layouts;
  for (const bool splits_encoders : {false, true}) {
    for (const bool splits_vae : {false, true}) {
      auto layout = whole;
      if (splits_encoders) layout.text_encoders = range(0, stages);
      if (splits_vae) layout.vae = range(0, ranks);
      move_blocks(work, cluster, layout);
      layouts.push_back(std::move(layout));
    }
  }
  return best_of(layouts, work, cluster);
}

}  // namespace trireme
