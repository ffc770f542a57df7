// Sharded equals whole: every axis of the transformer and every pair of axes, for both families and
// on every transport. Compiled once for each transport, like the collectives' suite.
#include <gtest/gtest.h>

#include "tests/parallel/ranks.h"
#include "tests/src/pipelines/run_batches.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// Batches of any number of steps, with and without guidance, follow each other.
std::vector<Sampling> batches(Tiny family) {
  if (family == Tiny::kSd3)
    return {{.steps = 2},
            {.steps = 1, .scale = 1},
            {.steps = 3, .skips = true},
            {.steps = 2, .scheduler = "FlowMatchHeunDiscreteScheduler"}};
  return {{.steps = 2}, {.steps = 1}, {.steps = 3, .scale = 1}};
}

// All ways to give n ranks to one axis, or to two.
std::vector<MeshShape> shapes_of(int ranks) {
  using Axis = std::function<void(MeshShape&, int)>;
  const std::vector<Axis> axes = {
      [](MeshShape& shape, int n) { shape.guidance = n; },
      [](MeshShape& shape, int n) { shape.pipeline = n; },
      [](MeshShape& shape, int n) { shape.sequence *= n; },
      [](MeshShape& shape, int n) { shape.sequence *= n, shape.ring = n; },
      [](MeshShape& shape, int n) { shape.tensor = n; }};
  std::vector<MeshShape> shapes;
  const auto add = [&](const MeshShape& shape) {
    const bool known = std::find(shapes.begin(), shapes.end(), shape) != shapes.end();
    if (!known && shape.guidance <= 2 && shape.ranks() == ranks) shapes.push_back(shape);
  };
  for (const auto& one : axes)
    for (const auto& other : axes)
      for (int n = 1; n <= ranks; ++n) {
        MeshShape shape;
        one(shape, n);
        if (&one != &other) other(shape, ranks / n);
        add(shape);
      }
  // And some of three.
  add({.guidance = 2, .pipeline = 2, .tensor = 2});
  add({.pipeline = 2, .sequence = 2, .tensor = 2});
  add({.guidance = 2, .sequence = 2, .ring = 2, .tensor = 2});
  return shapes;
}

std::vector<MeshShape> all_shapes() {
  std::vector<MeshShape> all;
  for (const int ranks : rank_counts())
    for (const auto& shape : shapes_of(ranks)) all.push_back(shape);
  return all;
}

class Layouts : public testing::TestWithParam<std::tuple<Tiny, MeshShape>> {};

TEST_P(Layouts, MakeTheLatentsOfOneRank) {
  const auto [family, shape] = GetParam();
  const auto jobs = batches(family);
  const auto whole = denoised(family, {}, {}, jobs);
  on_every_rank(shape.ranks(), [&, family = family, shape = shape](Group world) {
    const auto results = denoised(family, world, shape, jobs);
    const bool last = stage_of(world.rank(), shape) == shape.pipeline - 1;
    ASSERT_EQ(results.size(), last ? jobs.size() : 0);
    for (const auto& [batch, result] : results) {
      if (shape.ranks() == shape.pipeline) {
        expect_same_bits(result.latents, whole.at(batch).latents);
      } else {
        expect_close(result.latents, whole.at(batch).latents);
      }
      EXPECT_EQ(result.broken_at_step, (std::vector<int64_t>{-1, -1}));
    }
  });
}

std::string name_of(const testing::TestParamInfo<std::tuple<Tiny, MeshShape>>& info) {
  const auto& [family, s] = info.param;
  auto name = std::string(family == Tiny::kSd3      ? "Sd3"
                          : family == Tiny::kPixArt ? "PixArt"
                                                    : "PixArtKv");
  const auto add = [&](const char* axis, int ranks) {
    if (ranks > 1) name += axis + std::to_string(ranks);
  };
  add("Guidance", s.guidance);
  add("Pipeline", s.pipeline);
  add("Ulysses", s.sequence / s.ring);
  add("Ring", s.ring);
  add("Tensor", s.tensor);
  return name;
}

INSTANTIATE_TEST_SUITE_P(AllAxesAndPairs, Layouts,
                         testing::Combine(testing::Values(Tiny::kSd3, Tiny::kPixArt,
                                                          Tiny::kPixArtKv),
                                          testing::ValuesIn(all_shapes())),
                         name_of);

}  // namespace
}  // namespace trireme
