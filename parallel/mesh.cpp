#include "parallel/mesh.h"

#include <fmt/format.h>

#include <array>

#include "parallel/error.h"

namespace trireme {
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
  mesh.shape = shape;
  const std::array<Group*, 4> groups{&mesh.guidance, &mesh.pipeline, &mesh.sequence.all,
                                     &mesh.tensor};
  const std::array<int, 4> sizes{shape.guidance, shape.pipeline, shape.sequence, shape.tensor};
  int inner = 1;  // ranks that one step along the axis passes
  for (int axis = 3; axis >= 0; --axis) {
    const int size = sizes[axis];
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

}  // namespace trireme
