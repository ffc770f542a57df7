#include "src/pipelines/placement.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace trireme {
namespace {

std::vector<int> all_ranks(int size) {
  std::vector<int> ranks(size);
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

// What a layout that names no transformer means for a replica of this many ranks.
TransformerChoice default_transformer(int ranks, int64_t blocks) {
  const auto stages = std::min<int64_t>(ranks, blocks);
  TransformerChoice choice{.pipeline = static_cast<int>(stages)};
  if (stages < ranks) choice.ranks = {.all = false, .list = all_ranks(static_cast<int>(stages))};
  return choice;
}

}  // namespace

bool Placement::holds(const std::vector<int>& ranks) const {
  return std::find(ranks.begin(), ranks.end(), replica.rank()) != ranks.end();
}

int replica_count(const LayoutChoice& layout, int world_size) {
  if (layout.mode == LayoutChoice::Mode::kAuto) return world_size;
  if (layout.mode == LayoutChoice::Mode::kBalanced) return 1;
  const bool named = layout.text_encoders || layout.transformer || layout.vae;
  return layout.replicas.value_or(named ? 1 : world_size);
}

Placement place(const LayoutChoice& layout, const Group& world, int64_t blocks) {
  const int size = world.size() / replica_count(layout, world.size());
  Placement p;
  p.replica = world.split(world.rank() / size, world.rank());
  const auto transformer = layout.transformer.value_or(default_transformer(size, blocks));
  p.transformer = resolve_ranks(transformer.ranks, size);
  p.text_encoders =
      layout.text_encoders ? resolve_ranks(layout.text_encoders->ranks, size) : std::vector<int>{0};
  p.vae = layout.vae ? resolve_ranks(layout.vae->ranks, size) : std::vector<int>{size - 1};

  p.mesh_shape = {.guidance = transformer.guidance,
                  .pipeline = transformer.pipeline,
                  .sequence = transformer.sequence,
                  .ring = transformer.ring,
                  .tensor = transformer.tensor};
  p.encoder_tensor = p.replica.subset(p.text_encoders);
  p.denoising = p.replica.subset(p.transformer);
  p.patch = p.replica.subset(p.vae);
  p.patch.connect_neighbours();  // its bands trade edges
  if (p.holds(p.transformer)) p.mesh = Mesh::over(p.denoising, p.mesh_shape);
  return p;
}

std::string to_string(const Placement& p, int replicas) {
  return fmt::format(
      "{{replicas: {}, text_encoders: {{ranks: [{}], tensor: {}}}, transformer: {{ranks: [{}], "
      "guidance: {}, pipeline: {}, sequence: {}, ring: {}, tensor: {}}}, vae: {{ranks: [{}], "
      "patch: {}}}}}",
      replicas, fmt::join(p.text_encoders, ", "), p.text_encoders.size(),
      fmt::join(p.transformer, ", "), p.mesh_shape.guidance, p.mesh_shape.pipeline,
      p.mesh_shape.sequence, p.mesh_shape.ring, p.mesh_shape.tensor, fmt::join(p.vae, ", "),
      p.vae.size());
}

}  // namespace trireme
