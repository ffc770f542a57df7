#include "src/pipelines/placement.h"

#include <algorithm>

namespace trireme {

std::vector<int> Placement::last_stage() const {
  return ranks_of_stage(roles, stage_count(roles) - 1);
}

std::optional<int> Placement::guidance_half(int rank) const {
  if (layout.mesh.guidance == 1) return std::nullopt;
  const auto place = place_among(layout.transformer, rank);
  return 2 * place->rank / place->ranks;
}

bool Placement::holds(const std::vector<int>& ranks) const {
  return place_among(ranks, replica.rank()).has_value();
}

Placement place(const Layout& layout, const Group& world) {
  Placement p;
  p.layout = layout;
  p.replica = world.split(world.rank() / layout.replica_size, world.rank());
  p.roles = roles_of(layout);
  p.encoder_tensor = p.replica.subset(layout.text_encoders);
  p.patch = p.replica.subset(layout.vae);
  p.patch.connect_neighbours();  // its bands trade edges
  const auto denoising = p.replica.subset(layout.transformer);
  if (p.holds(layout.transformer)) p.mesh = Mesh::over(denoising, layout.mesh);
  for (auto* group : {&p.turns, &p.text, &p.latents, &p.deals}) *group = p.replica.on_hosts();
  return p;
}

}  // namespace trireme
