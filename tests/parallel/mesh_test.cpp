#include "parallel/mesh.h"

#include <gtest/gtest.h>

#include "tests/support/run_ranks.h"

namespace trireme {
namespace {

TEST(Mesh, ADefaultMeshIsOneRankOnEveryAxis) {
  const Mesh mesh;
  EXPECT_TRUE(mesh.guidance.alone() && mesh.pipeline.alone() && mesh.sequence.all.alone() &&
              mesh.tensor.alone());
}

TEST(Mesh, CoordinatesCountUpWithTensorFastest) {
  run_ranks(12, [](Group world) {
    const auto mesh = Mesh::over(world, {.guidance = 2, .sequence = 3, .tensor = 2});
    EXPECT_EQ(mesh.guidance.rank(), world.rank() / 6);
    EXPECT_EQ(mesh.sequence.all.rank(), world.rank() / 2 % 3);
    EXPECT_EQ(mesh.tensor.rank(), world.rank() % 2);
    EXPECT_EQ(mesh.guidance.size(), 2);
    EXPECT_EQ(mesh.sequence.all.size(), 3);
    EXPECT_TRUE(mesh.pipeline.alone());
  });
}

TEST(Mesh, TheNumbersMustMultiplyUp) {
  try {
    Mesh::over(Group(), {.guidance = 2, .tensor = 4});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadJob);
    EXPECT_STREQ(
        error.what(),
        "[layout] guidance 2 x tensor 4 = 8 ranks -> the component has 1 -> the product of "
        "the axes must be the number of ranks");
  }
}

TEST(Mesh, PrintsItself) {
  EXPECT_EQ(to_string(MeshShape{}), "one rank");
  EXPECT_EQ(to_string({.guidance = 2, .tensor = 4}), "guidance 2 x tensor 4");
}

}  // namespace
}  // namespace trireme
