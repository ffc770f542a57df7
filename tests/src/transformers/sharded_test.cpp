// A transformer over n ranks equals the whole: within rounding over the tensor and sequence axes,
// to the bit over the pipeline axis.
#include <gtest/gtest.h>

#include "tests/src/transformers/predict.h"
#include "tests/src/transformers/tiny_models.h"
#include "tests/support/run_ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// Five heads, so that no number of ranks but one divides them.
Sd3Config sd3() {
  return {.sample_size = 8,
          .patch_size = 2,
          .in_channels = 4,
          .out_channels = 4,
          .num_layers = 5,
          .head_dim = 8,
          .heads = 5,
          .joint_attention_dim = 24,
          .pooled_projection_dim = 20,
          .pos_embed_max_size = 10,
          .qk_norm = true,
          .dual_attention_layers = {0, 1}};
}

PixArtConfig pixart() {
  return {.sample_size = 8,
          .patch_size = 2,
          .in_channels = 4,
          .out_channels = 8,
          .num_layers = 5,
          .head_dim = 8,
          .heads = 5,
          .caption_channels = 16,
          .interpolation_scale = 2};
}

struct Family {
  const char* name;
  std::function<std::unique_ptr<Denoiser>(const Mesh&)> model;
  TextEmbeddings text;
};

Family family(bool is_sd3) {
  const auto hidden = recipe_input({2, 7, is_sd3 ? 24 : 16}, .7);
  if (is_sd3)
    return {"Sd3",
            [](const Mesh& mesh) {
              return std::make_unique<Sd3Transformer>(sd3(), random_weights(), mesh, at::kFloat);
            },
            {hidden, recipe_input({2, 20}, 1.1), {}}};
  const auto mask = at::ones({2, 7}, at::kLong);
  mask[1].narrow(0, 3, 4).zero_();
  return {"PixArt",
          [](const Mesh& mesh) {
            return std::make_unique<PixArtTransformer>(pixart(), random_weights(), mesh,
                                                       at::kFloat);
          },
          {hidden, {}, mask}};
}

at::Tensor forward(const Family& f, const Mesh& mesh) {
  const c10::InferenceMode inference;
  const auto model = f.model(mesh);
  const auto x = recipe_input({2, 4, 12, 8}, .3);
  const auto batch = model->begin(f.text, {700, 20}, {2, 12, 8});
  return predict(*model, mesh.pipeline, *batch, x, 0) +
         predict(*model, mesh.pipeline, *batch, x, 1);
}

class ShardedTransformer : public testing::TestWithParam<std::tuple<bool, MeshShape>> {};

TEST_P(ShardedTransformer, EqualsTheWhole) {
  const auto [is_sd3, shape] = GetParam();
  const auto f = family(is_sd3);
  const auto whole = forward(f, Mesh{});
  run_ranks(shape.ranks(), [&, shape = shape](Group world) {
    const auto sharded = forward(f, Mesh::over(world, shape));
    if (shape.tensor == 1 && shape.sequence == 1) {
      expect_same_bits(sharded, whole);
    } else {
      expect_close(sharded, whole);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(
    Meshes, ShardedTransformer,
    testing::Combine(
        testing::Bool(),
        testing::Values(MeshShape{.tensor = 2}, MeshShape{.tensor = 3}, MeshShape{.tensor = 4},
                        MeshShape{.tensor = 8}, MeshShape{.pipeline = 2}, MeshShape{.pipeline = 3},
                        MeshShape{.pipeline = 4}, MeshShape{.pipeline = 2, .tensor = 2},
                        MeshShape{.pipeline = 2, .tensor = 3}, MeshShape{.sequence = 2},
                        MeshShape{.sequence = 3}, MeshShape{.sequence = 4},
                        MeshShape{.sequence = 8}, MeshShape{.sequence = 2, .ring = 2},
                        MeshShape{.sequence = 3, .ring = 3}, MeshShape{.sequence = 8, .ring = 8},
                        MeshShape{.sequence = 4, .ring = 2}, MeshShape{.sequence = 8, .ring = 2},
                        MeshShape{.sequence = 8, .ring = 4}, MeshShape{.sequence = 2, .tensor = 2},
                        MeshShape{.sequence = 2, .ring = 2, .tensor = 3},
                        MeshShape{.pipeline = 2, .sequence = 2},
                        MeshShape{.pipeline = 2, .sequence = 2, .tensor = 2})));

TEST(ShardedTransformer, WithMoreStagesThanBlocksIsRefused) {
  const auto f = family(true);
  run_ranks(6,
            [&](Group world) { EXPECT_THROW(f.model(Mesh::over(world, {.pipeline = 6})), Error); });
}

}  // namespace
}  // namespace trireme
