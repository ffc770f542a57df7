// Mesh: the ranks of a component as a box with one group for each axis. Axes split in the order
// guidance, pipeline, sequence, tensor; tensor is innermost, because its ranks talk most and so
// should be neighbours. A default Mesh is one rank on every axis.
#pragma once

#include "parallel/coordinates.h"
#include "parallel/group.h"

namespace trireme {

// The ranks that hold the other tokens, as a ring of Ulysses groups: those of a Ulysses group talk
// more and so are neighbours.
struct Sequence {
  Group all;
  Group ulysses;  // ranks that trade tokens for heads
  Group ring;     // ranks among which keys and values travel
};

struct Mesh {
  MeshShape shape;
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

}  // namespace trireme
