// Layout: who holds what, with nothing left open. What a job says (src/config/layout.h) is a layout
// once somebody has settled the rest: a rule, or the planner. One rank holds everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parallel/coordinates.h"
#include "parallel/schedule/program.h"

namespace trireme {

enum class Offload {
  kNone,
  kModel,  // a component waits on the host until it is needed
  kStaged  // loaded, used, freed
};

struct Layout {
  int replicas = 1;      // groups of ranks that work on different samples
  int replica_size = 1;  // ranks
  int batch_size = 1;    // samples that travel together
  // Ranks of a replica, in the order in which they stand on the axes.
  std::vector<int> text_encoders = {0};  // their tensor axis
  std::vector<int> transformer = {0};  // guidance x pipeline x sequence x tensor, tensor innermost
  std::vector<int> vae = {0};          // its patch axis
  MeshShape mesh = {};
  Offload offload = Offload::kNone;
  std::optional<int> window = {};  // staged: samples that go through a stage together

  int ranks() const { return replicas * replica_size; }
  bool operator==(const Layout&) const = default;
};

// What the ranks of a replica do in a job that goes all the way.
Roles roles_of(const Layout& layout);
// Where a rank of the transformer stands; a default where it is none of them.
MeshCoordinates coordinates_of(const Layout& layout, int rank);
// A rank's place among those of a component, if it is one of them.
std::optional<Coordinate> place_among(const std::vector<int>& ranks, int rank);

// As a job file says it, in one line: {replicas: 2, text_encoders: {ranks: [0], tensor: 1}, ...}.
std::string to_string(const Layout& layout);
// In a user's words: "2 replicas of 4 ranks: guidance 2 x tensor 2, encoders on 0, VAE on 3".
std::string in_words(const Layout& layout);

}  // namespace trireme
