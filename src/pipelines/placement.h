// Placement: which ranks of a replica hold which component, and the groups in which they talk. Made
// once from the job's layout; one rank holds everything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "parallel/mesh.h"
#include "parallel/schedule/program.h"
#include "src/config/layout.h"

namespace trireme {

struct Placement {
  Group replica;                   // the ranks that make a sample together
  std::vector<int> text_encoders;  // their ranks in the replica
  std::vector<int> transformer;
  std::vector<int> vae;
  Roles roles;  // the same by rank

  Group encoder_tensor;  // the text encoders' ranks; alone elsewhere
  MeshShape mesh_shape;
  Mesh mesh;    // of the transformer's ranks; alone elsewhere
  Group patch;  // the VAE's ranks; alone elsewhere
  // The replica again, on hosts, for what must not queue behind other things: whether a turn is
  // taken, text embeddings, latents.
  Group turns, text, latents;

  bool holds(const std::vector<int>& ranks) const;  // whether this rank is one of them
  std::vector<int> last_stage() const;
  // Which half of the guidance axis a rank of the transformer is, if there are two.
  std::optional<int> guidance_half(int rank) const;
};

// Splits a world into replicas: replica r is the ranks from r x (world / replicas).
// The layout must have passed check_layout for this world.
int replica_count(const LayoutChoice& layout, int world_size);

// Collective over `world`. What the layout leaves open is placed so that no bit of a picture
// depends on the number of ranks: `auto` makes every rank a replica of its own; `balanced` gives
// each rank of one replica a contiguous range of blocks; text encoders go to the first rank and
// the VAE to the last.
Placement place(const LayoutChoice& layout, const Group& world, int64_t blocks);

// The layout that `placement` is, as a job file says it (YAML flow style).
std::string to_string(const Placement& placement, int replicas);

}  // namespace trireme
