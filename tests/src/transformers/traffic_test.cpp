// What a rank sends in one evaluation of a transformer is what the formulas of counts.md section 6
// say, to the byte. X is one activation of all tokens.
#include <gtest/gtest.h>

#include "tests/src/transformers/predict.h"
#include "tests/src/transformers/tiny_models.h"
#include "tests/support/run_ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// Eight heads, 24 image and 8 text tokens: everything divides by 2, 4 and 8.
constexpr int64_t kHeads = 8, kWidth = kHeads * kTinyHeadDim, kBlocks = 3;
constexpr int64_t kBatch = 2, kText = 8, kRows = 12, kColumns = 8;  // of the latents
constexpr int64_t kImage = kRows * kColumns / 4;
constexpr int64_t kBytes = 4;

std::unique_ptr<Denoiser> model(bool is_sd3, const Mesh& mesh) {
  if (is_sd3)
    return std::make_unique<Sd3Transformer>(tiny_sd3(kBlocks, kHeads), random_weights(), mesh,
                                            at::kFloat);
  return std::make_unique<PixArtTransformer>(tiny_pixart(kBlocks, kHeads), random_weights(), mesh,
                                             at::kFloat);
}

using Sent = std::map<std::string, int64_t>;  // bytes by kind

// Of one evaluation; what is computed once per batch is another matter.
Sent sent_by(const Denoiser& denoiser, bool is_sd3, const Group& world, const Mesh& mesh) {
  const TextEmbeddings text{normals({kBatch, kText, kTinyTextWidth}),
                            is_sd3 ? normals({kBatch, kTinyPooledWidth}) : at::Tensor(),
                            {}};
  const auto batch = denoiser.begin(text, {500}, {kBatch, kRows, kColumns});
  world.barrier();
  auto before = world.traffic().by_kind;
  predict(denoiser, mesh.pipeline, *batch, normals({kBatch, 4, kRows, kColumns}), 0);
  Sent sent;
  for (const auto& [kind, count] : world.traffic().by_kind)
    if (count.bytes != before[kind].bytes) sent[kind] = count.bytes - before[kind].bytes;
  return sent;
}

Sent sent_by(bool is_sd3, const Group& world, MeshShape shape) {
  const c10::InferenceMode inference;
  const auto mesh = Mesh::over(world, shape);
  return sent_by(*model(is_sd3, mesh), is_sd3, world, mesh);
}

int64_t activation(int64_t tokens) {
  return kBatch * tokens * kWidth * kBytes;
}

// The head's patches, which the ranks of a sequence gather.
int64_t patches(bool is_sd3) {
  return kBatch * kImage * 4 * (is_sd3 ? 4 : 8) * kBytes;
}

class Traffic : public testing::TestWithParam<bool> {
 protected:
  void expect(MeshShape shape, const std::function<Sent(int rank)>& expected) {
    run_ranks(shape.ranks(), [&](Group world) {
      EXPECT_EQ(sent_by(GetParam(), world, shape), expected(world.rank()))
          << to_string(shape) << " rank " << world.rank();
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Families, Traffic, testing::Bool(), [](const auto& family) {
  return std::string(family.param ? "Sd3" : "PixArt");
});

// Two all-reduces a block and stream, three in PixArt; the last block's text ends before them.
TEST_P(Traffic, Tensor) {
  for (const int n : {2, 4, 8}) {
    const int64_t streams =
        GetParam() ? kBlocks * kImage + (kBlocks - 1) * kText : kBlocks * kImage;
    const int64_t sums = (GetParam() ? 2 : 3) * activation(streams);
    expect({.tensor = n}, [&](int) { return Sent{{"all_reduce", 2 * (n - 1) * sums / n}}; });
  }
}

// Queries, keys, values and the result; in the last block no queries of the text.
TEST_P(Traffic, Ulysses) {
  for (const int n : {2, 4, 8}) {
    const int64_t text = GetParam() ? 4 * kBlocks * kText - 2 * kText : 0;
    const int64_t traded = activation(4 * kBlocks * kImage + text);
    expect({.sequence = n}, [&](int) {
      return Sent{{"all_to_all", (n - 1) * traded / (n * n)},
                  {"all_gather", (n - 1) * patches(GetParam()) / n}};
    });
  }
}

TEST_P(Traffic, Ring) {
  for (const int n : {2, 4, 8}) {
    const int64_t travelling = 2 * activation(kBlocks * (kImage + (GetParam() ? kText : 0)));
    expect({.sequence = n, .ring = n}, [&](int) {
      return Sent{{"send", (n - 1) * travelling / n},
                  {"all_gather", (n - 1) * patches(GetParam()) / n}};
    });
  }
}

// Six rows of four tokens, three rows of two squares, compressed in every block.
constexpr int64_t kLeft = 6;

Sent sent_compressed(const Group& world, MeshShape shape) {
  const c10::InferenceMode inference;
  const auto mesh = Mesh::over(world, shape);
  auto config = tiny_pixart(kBlocks, kHeads);
  config.kv_sampling = {KvSampling::Kind::kConv, 2};
  config.kv_compress_layers = {0, 1, 2};
  const PixArtTransformer denoiser(config, random_weights(), mesh, at::kFloat);
  return sent_by(denoiser, /*is_sd3=*/false, world, mesh);
}

// Keys and values of the squares that a rank's tokens touch; neither queries nor results. Over four
// ranks the middle ones have tokens of two rows of squares.
TEST(CompressedTraffic, Sequence) {
  const std::map<int, std::vector<int64_t>> touched = {{2, {4, 4}}, {4, {2, 4, 4, 2}}};
  for (const auto& [n, squares] : touched)
    for (const int ring : {1, n})
      run_ranks(n, [&, n = n, &squares = squares](Group world) {
        const auto sent = sent_compressed(world, {.sequence = n, .ring = ring});
        const auto keys = 2 * kBlocks * activation(squares[world.rank()]);
        EXPECT_EQ(sent, (Sent{{"all_gather", (n - 1) * (keys + patches(false) / n)}}))
            << n << " ranks, rings of " << ring;
      });
}

// Besides the sums of every block, mean and variance of each key and value that is left.
TEST(CompressedTraffic, Tensor) {
  for (const int n : {2, 4, 8})
    run_ranks(n, [&](Group world) {
      const auto sums = 3 * activation(kBlocks * kImage);
      const auto moments = kBlocks * 2 * (2 * kBatch * kLeft) * kBytes;
      EXPECT_EQ(sent_compressed(world, {.tensor = n}),
                (Sent{{"all_reduce", 2 * (n - 1) * sums / n}, {"all_gather", (n - 1) * moments}}));
    });
}

// The branches meet outside of the transformer.
TEST_P(Traffic, Guidance) {
  expect({.guidance = 2}, [](int) { return Sent{}; });
}

}  // namespace
}  // namespace trireme
