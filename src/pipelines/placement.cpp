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

// Guidance, pipeline, sequence, tensor: the rank's place in the mesh says what it holds.
Roles roles_of(const Placement& p) {
  Roles roles(p.replica.size());
  for (const int rank : p.text_encoders) roles[rank].encodes = true;
  for (const int rank : p.vae) roles[rank].decodes = true;
  const int inner = p.mesh_shape.sequence * p.mesh_shape.tensor, stages = p.mesh_shape.pipeline;
  for (int place = 0; place < static_cast<int>(p.transformer.size()); ++place) {
    auto& role = roles[p.transformer[place]];
    role.stage = place / inner % stages;
    role.place = place / (inner * stages) * inner + place % inner;
  }
  return roles;
}

}  // namespace

std::vector<int> Placement::last_stage() const {
  return ranks_of_stage(roles, stage_count(roles) - 1);
}

std::optional<int> Placement::guidance_half(int rank) const {
  if (mesh_shape.guidance == 1) return std::nullopt;
  const auto place = std::find(transformer.begin(), transformer.end(), rank) - transformer.begin();
  return static_cast<int>(2 * place / static_cast<int64_t>(transformer.size()));
}

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
  p.roles = roles_of(p);
  p.encoder_tensor = p.replica.subset(p.text_encoders);
  p.patch = p.replica.subset(p.vae);
  p.patch.connect_neighbours();  // its bands trade edges
  const auto denoising = p.replica.subset(p.transformer);
  if (p.holds(p.transformer)) p.mesh = Mesh::over(denoising, p.mesh_shape);
  for (auto* group : {&p.turns, &p.text, &p.latents}) *group = p.replica.on_hosts();
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
