// Mesh: the ranks of a component as a box with one group for each axis. Axes split in the order
// guidance, pipeline, sequence, tensor; tensor is innermost, because its ranks talk most and so
// should be neighbours. A default Mesh is one rank on every axis.
#pragma once

#include <string>

#include "parallel/coordinates.h"
#include "parallel/group.h"

namespace trireme {

struct MeshShape {
  int guidance = 1;
  int pipeline = 1;
  int sequence = 1;
  int ring = 1;  // of `sequence`: ranks among which keys and values travel; the rest trade heads
  int tensor = 1;

  int ranks() const { return guidance * pipeline * sequence * tensor; }
  bool operator==(const MeshShape&) const = default;
};

// The ranks that hold the other tokens, as a ring of Ulysses groups: those of a Ulysses group talk
// more and so are neighbours.
struct Sequence {
  Group all;
  Group ulysses;  // ranks that trade tokens for heads
  Group ring;     // ranks among which keys and values travel
};

struct Mesh {
  Group guidance;  // ranks that compute the other guidance branch of the same samples
  Group pipeline;  // ranks that hold the other blocks
  Sequence sequence;
  Group tensor;  // ranks that hold the other heads and channels

  // Collective over `group`, whose size is shape.ranks(); Error (kBadJob) with the numbers
  // otherwise.
  static Mesh over(const Group& group, MeshShape shape);
  // Where this rank stands; the branch of guidance cuts no evaluation.
  MeshCoordinates coordinates() const;
};

std::string to_string(const MeshShape& shape);  // "guidance 2 x tensor 4", or "one rank"

}  // namespace trireme
