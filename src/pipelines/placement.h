// Placement: which ranks of a replica hold which component, and the groups in which they talk. Made
// once from the job's layout; one rank holds everything.
#pragma once

#include <string>
#include <vector>

#include "parallel/group.h"
#include "parallel/mesh.h"
#include "src/config/layout.h"

namespace trireme {

struct Placement {
  Group replica;                   // the ranks that make a sample together
  std::vector<int> text_encoders;  // their ranks in the replica
  std::vector<int> transformer;
  std::vector<int> vae;

  Group encoder_tensor;  // the text encoders' ranks; alone elsewhere
  Group denoising;       // the transformer's ranks; alone elsewhere
  MeshShape mesh_shape;
  Mesh mesh;    // of the same ranks
  Group patch;  // the VAE's ranks; alone elsewhere

  bool holds(const std::vector<int>& ranks) const;  // whether this rank is one of them
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
