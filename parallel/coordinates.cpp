#include "parallel/coordinates.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <string_view>
#include <vector>

namespace trireme {
namespace {

struct Axis {
  const char* name;
  int ranks;
};

std::array<Axis, 4> axes(const MeshShape& shape) {
  return {{{"guidance", shape.guidance},
           {"pipeline", shape.pipeline},
           {"sequence", shape.sequence},
           {"tensor", shape.tensor}}};
}

}  // namespace

Split stages_of(const MeshShape& shape, const std::vector<double>& block_costs) {
  if (!shape.blocks.empty()) return Split::of_lengths(shape.blocks);
  if (block_costs.empty()) return {0, shape.pipeline};
  return Split::by_cost(block_costs, shape.pipeline);
}

std::string to_string(const MeshShape& shape) {
  std::vector<std::string> words;
  for (const auto& axis : axes(shape)) {
    if (axis.ranks == 1) continue;
    words.push_back(fmt::format("{} {}", axis.name, axis.ranks));
    if (axis.name == std::string_view("sequence") && shape.ring > 1)
      words.back() += fmt::format(" (ring {})", shape.ring);
  }
  return words.empty() ? "one rank" : fmt::format("{}", fmt::join(words, " x "));
}

}  // namespace trireme
