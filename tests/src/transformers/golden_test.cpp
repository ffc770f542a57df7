// Both transformers against numbers that diffusers gave (tests/goldens/denoiser.json).
#include <gtest/gtest.h>

#include "tests/src/transformers/tiny_models.h"
#include "tests/support/recipe.h"

namespace trireme {
namespace {

// diffusers' timesteps of these cases differ from row to row; a Denoising has one for all rows, so
// each row is evaluated by itself.
at::Tensor forward(const Denoiser& model, const at::Tensor& x, const TextEmbeddings& text,
                   const std::vector<float>& timesteps, const SkippedBlocks& skipped = {}) {
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < x.size(0); ++i) {
    const auto row = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, i, 1) : t; };
    const auto batch = model.begin({row(text.hidden), row(text.pooled), row(text.mask)},
                                   {timesteps[i]}, {1, x.size(2), x.size(3)});
    rows.push_back(batch->head(batch->blocks(batch->embed(row(x)), 0, skipped), 0));
  }
  return at::cat(rows);
}

const std::vector<float> kSd3Timesteps = {987.380615f, 8.9285717f};
const std::vector<float> kPixArtTimesteps = {999, 50};

at::Tensor sd3_forward(bool sd35, const SkippedBlocks& skipped = {}) {
  const c10::InferenceMode inference;
  const auto model = golden_sd3_model(golden_sd3(sd35));
  return forward(model, recipe_input({2, 4, 12, 8}, .3),
                 {recipe_input({2, 7, 24}, .7), recipe_input({2, 20}, 1.1), {}}, kSd3Timesteps,
                 skipped);
}

at::Tensor pixart_forward(int64_t height) {
  const c10::InferenceMode inference;
  const auto model = golden_pixart_model();
  const auto mask = at::tensor({1, 1, 1, 0, 0, 1, 1, 1, 1, 0}, at::kLong).view({2, 5});
  return forward(model, recipe_input({2, 4, height, 8}, .3),
                 {recipe_input({2, 5, 16}, .7), {}, mask}, kPixArtTimesteps);
}

TEST(Sd3Transformer, EqualsDiffusers) {
  expect_golden(sd3_forward(false), read_goldens("denoiser.json")["sd3_tiny"]["out"]);
}

TEST(Sd3Transformer, WithDualAttentionAndQkNormEqualsDiffusers) {
  expect_golden(sd3_forward(true), read_goldens("denoiser.json")["sd35_tiny_dual_qknorm"]["out"]);
}

TEST(Sd3Transformer, WithASkippedBlockEqualsDiffusers) {
  expect_golden(sd3_forward(true, {1}), read_goldens("denoiser.json")["sd35_tiny_skip1"]["out"]);
}

TEST(PixArtTransformer, EqualsDiffusers) {
  expect_golden(pixart_forward(8), read_goldens("denoiser.json")["pixart_tiny_square"]["out"]);
}

TEST(PixArtTransformer, OnAnotherShapeEqualsDiffusers) {
  expect_golden(pixart_forward(12), read_goldens("denoiser.json")["pixart_tiny_rect_12x8"]["out"]);
}

}  // namespace
}  // namespace trireme
