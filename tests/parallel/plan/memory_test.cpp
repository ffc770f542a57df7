// How weights lie, and how a rank's share falls with the layout. That a run takes what is said
// here: tests/end_to_end/test_planned_memory.py.
#include "parallel/plan/memory.h"

#include <gtest/gtest.h>

#include <numeric>

#include "parallel/cpu.h"
#include "tests/parallel/plan/workloads.h"

namespace trireme {
namespace {

constexpr int64_t kHalf = 2, kFloat = 4;
const Coordinate kAlone{};

int64_t on_gpu(const Product& product, Storage storage, const Coordinate& tensor = {}) {
  return weight_bytes(product, storage, kHalf, tensor, /*on_cpu=*/false);
}

TEST(Memory, CodesTakeTheirBytesAndTheirScales) {
  const Product product{.in = 128, .out = 6, .bias = false};
  EXPECT_EQ(on_gpu(product, Storage::kHalf), 128 * 6 * 2);
  EXPECT_EQ(on_gpu(product, Storage::kFp8), 128 * 6);
  EXPECT_EQ(on_gpu(product, Storage::kInt8), 128 * 6 + 6 * 4);
  EXPECT_EQ(on_gpu(product, Storage::kNf4), 128 * 6 / 2 + 12 * 4);
  // Twice: a byte for each of 12 scales, one scale of these, and what 256 codes stand for.
  EXPECT_EQ(on_gpu(product, Storage::kNf4Double), 128 * 6 / 2 + 12 + 4 + 256 * 4);
  auto plain = product;
  plain.quantizes = false;
  EXPECT_EQ(on_gpu(plain, Storage::kInt8), on_gpu(product, Storage::kHalf));
}

// Rows that begin inside of a block keep the scales of all that they may touch.
TEST(Memory, CutRowsOfNf4KeepOneScaleMore) {
  const Product product{.in = 192, .out = 1, .cut = Cut::kIn, .unit = 96, .bias = false};
  EXPECT_EQ(on_gpu(product, Storage::kNf4, {0, 2}), 96 / 2 + 2 * 4);
  EXPECT_EQ(on_gpu(product, Storage::kNf4, {1, 2}), 96 / 2 + 3 * 4);
}

TEST(Memory, CutsFallBetweenHeads) {
  const Product product{.in = 8, .out = 38 * 64, .cut = Cut::kOut, .unit = 64};
  for (const auto& [rank, heads] : {std::pair{0, 10}, {1, 10}, {2, 9}, {3, 9}})
    EXPECT_EQ(on_gpu(product, Storage::kHalf, {rank, 4}), heads * 64 * (8 + 1) * 2);
  const Product sums{.in = 38 * 64, .out = 8, .cut = Cut::kIn, .unit = 64};
  EXPECT_EQ(on_gpu(sums, Storage::kHalf, {3, 4}), (9 * 64 * 8 + 8) * 2);  // biases whole
}

TEST(Memory, OnACpuSmallSumsAreWideAndLongRowsLieInTiles) {
  const auto on_cpu = [](const Product& product) {
    return weight_bytes(product, Storage::kFloat32, kFloat, kAlone, /*on_cpu=*/true);
  };
  EXPECT_EQ(on_cpu({.in = 96, .out = 96, .bias = false}), 96 * 96 * 4);
  EXPECT_EQ(on_cpu({.in = 96, .out = 96, .cut = Cut::kIn, .bias = false}), 96 * 96 * 8);
  EXPECT_EQ(on_cpu({.in = 1024, .out = 256, .cut = Cut::kIn, .bias = false}), 1024 * 256 * 4);
  if (!has_fast_products()) return;
  EXPECT_EQ(on_cpu({.in = 1152, .out = 64, .bias = false}),
            1152 * 64 * 4);  // few rows: as they are
  EXPECT_EQ(on_cpu({.in = 1150, .out = 65, .bias = false}), 1152 * 128 * 4);
  EXPECT_EQ(on_cpu({.in = 1150, .out = 32, .parts = 3, .bias = false}), 1152 * 128 * 4);
}

Layout over(int ranks, MeshShape mesh) {
  Layout layout{.replica_size = ranks, .mesh = mesh};
  layout.transformer.resize(ranks);
  std::iota(layout.transformer.begin(), layout.transformer.end(), 0);
  return layout;
}

TEST(Memory, StagesOfAPipelineHoldTheWholeTogether) {
  const auto work = medium_job(8);
  const auto whole = memory_of(work, {}, 0, false).denoise.weights;
  int64_t sum = 0;
  for (int rank = 0; rank < 4; ++rank)
    sum += memory_of(work, over(4, {.pipeline = 4}), rank, false).denoise.weights;
  EXPECT_EQ(sum, whole);
}

TEST(Memory, FallsWithTheAxesThatCutIt) {
  const auto work = medium_job(1);
  const auto denoise = [&](const Layout& layout) {
    return memory_of(work, layout, 0, false).denoise;
  };
  const auto whole = denoise({}), tensor = denoise(over(2, {.tensor = 2})),
             guidance = denoise(over(2, {.guidance = 2})),
             sequence = denoise(over(2, {.sequence = 2}));
  EXPECT_LT(tensor.weights, whole.weights * 0.51);
  EXPECT_EQ(guidance.weights, whole.weights);
  EXPECT_EQ(sequence.weights, whole.weights);
  EXPECT_LT(guidance.activations, whole.activations * 0.6);
  EXPECT_LT(sequence.activations, whole.activations * 0.75);
}

TEST(Memory, OfAStagedJobIsItsLargestStage) {
  auto layout = Layout{};
  const auto work = medium_job(1);
  const auto all = memory_of(work, layout, 0, false).peak(Offload::kNone);
  const auto memory = memory_of(work, layout, 0, false);
  EXPECT_GT(memory.encode.weights, memory.denoise.weights);
  EXPECT_EQ(memory.peak(Offload::kStaged),
            memory.program + memory.encode.weights + memory.encode.activations);
  EXPECT_LT(memory.peak(Offload::kStaged), all);
}

TEST(Memory, BatchesAndPicturesTakeMore) {
  const auto activations = [](int64_t side, int batch) {
    const auto memory = memory_of(medium_job(8, side), {.batch_size = batch}, 0, false);
    return std::pair{memory.denoise.activations, memory.decode.activations};
  };
  const auto [denoise, decode] = activations(512, 1);
  EXPECT_GT(activations(512, 2).first, denoise * 1.7);
  EXPECT_LT(activations(512, 2).second, decode * 1.1);  // one at a time
  EXPECT_NEAR(static_cast<double>(activations(1024, 1).second) / static_cast<double>(decode), 4,
              0.25);
}

}  // namespace
}  // namespace trireme
