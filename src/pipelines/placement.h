// Placement: the ranks of a replica that hold each component, with the groups in which they talk.
// Made once from a layout that leaves nothing open; one rank holds everything.
#pragma once

#include <optional>
#include <vector>

#include "parallel/group.h"
#include "parallel/mesh.h"
#include "parallel/plan/layout.h"

namespace trireme {

struct Placement {
  Layout layout;
  Group replica;  // the ranks that make a sample together
  Roles roles;    // what they do

  Group encoder_tensor;  // the text encoders' ranks; alone elsewhere
  Mesh mesh;             // of the transformer's ranks; alone elsewhere
  Group patch;           // the VAE's ranks; alone elsewhere
  // The replica again, on hosts, for what must not queue behind other things: whether a turn is
  // taken, text embeddings, latents, which portions are dealt.
  Group turns, text, latents, deals;

  bool holds(const std::vector<int>& ranks) const;  // whether this rank is one of them
  std::vector<int> last_stage() const;
  // Which half of the guidance axis a rank of the transformer is, if there are two.
  std::optional<int> guidance_half(int rank) const;
};

// Collective over `world`, whose replica r is the ranks from r x layout.replica_size.
Placement place(const Layout& layout, const Group& world);

}  // namespace trireme
