#include "parallel/mesh.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <vector>

#include "parallel/error.h"

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

Mesh Mesh::over(const Group& group, MeshShape shape) {
  if (group.size() != shape.ranks()) {
    throw Error(Exit::kBadJob,
                fmt::format("[layout] {} = {} ranks -> the component has {} -> the product of the "
                            "axes must be the number of ranks",
                            to_string(shape), shape.ranks(), group.size()));
  }
  if (shape.sequence % shape.ring != 0) {
    throw Error(Exit::kBadJob, fmt::format("[layout] a ring of {} in a sequence of {} -> a ring "
                                           "divides the sequence's ranks",
                                           shape.ring, shape.sequence));
  }
  Mesh mesh;
  const std::array<Group*, 4> groups{&mesh.guidance, &mesh.pipeline, &mesh.sequence.all,
                                     &mesh.tensor};
  const auto sizes = axes(shape);
  int inner = 1;  // ranks that one step along the axis passes
  for (int axis = 3; axis >= 0; --axis) {
    const int size = sizes[axis].ranks;
    const int coordinate = group.rank() / inner % size;
    // All ranks that agree in everything but this coordinate; an axis of one needs no talk.
    if (size > 1) *groups[axis] = group.split(group.rank() - coordinate * inner, coordinate);
    inner *= size;
  }
  const int ulysses = shape.sequence / shape.ring, place = mesh.sequence.all.rank();
  mesh.sequence.ulysses = mesh.sequence.all.split(place / ulysses, place);
  mesh.sequence.ring = mesh.sequence.all.split(place % ulysses, place);
  mesh.sequence.ring.connect_ring();
  mesh.pipeline.connect_ring();
  return mesh;
}

MeshCoordinates Mesh::coordinates() const {
  const auto on = [](const Group& axis) { return Coordinate{axis.rank(), axis.size()}; };
  return {.pipeline = on(pipeline),
          .ulysses = on(sequence.ulysses),
          .ring = on(sequence.ring),
          .tensor = on(tensor)};
}

std::string to_string(const MeshShape& shape) {
  std::vector<std::string> words;
  for (const auto& axis : axes(shape)) {
    if (axis.ranks != 1) words.push_back(fmt::format("{} {}", axis.name, axis.ranks));
  }
  return words.empty() ? "one rank" : fmt::format("{}", fmt::join(words, " x "));
}

}  // namespace trireme
