// SD3's positions: the middle of the stored table, and what lies beyond it.
#include "src/transformers/position_table.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "src/nn/embeddings.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

constexpr int64_t kSize = 10, kWidth = 16;
constexpr double kBase = 4;

// As diffusers stores it: coordinates i x 4 / 10.
at::Tensor table() {
  return grid_sinusoid(kSize, kSize, kWidth, kBase, 1).unsqueeze(0);
}

PositionTable positions(const at::Tensor& stored, BeyondTable beyond = BeyondTable::kExtend) {
  return PositionTable(memory_weights({{"pos_embed", stored}}),
                       {.size = kSize, .width = kWidth, .base = kBase}, beyond);
}

at::Tensor grid(const at::Tensor& crop, int64_t rows, int64_t columns) {
  return crop.view({rows, columns, kWidth});
}

TEST(PositionTable, GivesTheMiddleWhetherOrNotItMayBeExtended) {
  const auto stored = normals({1, kSize * kSize, kWidth});
  const auto expected = stored.view({kSize, kSize, kWidth}).narrow(0, 1, 7).narrow(1, 2, 5);
  for (const auto beyond : {BeyondTable::kRefuse, BeyondTable::kExtend})
    expect_same_bits(grid(positions(stored, beyond).crop(7, 5), 7, 5), expected);
}

TEST(PositionTable, EndsWhereItEndsUnlessExtended) {
  const auto fixed = positions(table(), BeyondTable::kRefuse);
  EXPECT_NO_THROW(fixed.crop(10, 10));
  EXPECT_THROW(fixed.crop(11, 4), Error);
  EXPECT_THROW(fixed.crop(4, 11), Error);
}

// One formula everywhere: the extended grid is the middle of an endless one, with the stored
// spacing.
TEST(PositionTable, GoesOnWithTheSameSpacingToAllSides) {
  const auto large = grid(positions(table()).crop(15, 12), 15, 12);
  const auto at = [](int64_t first, int64_t n) {
    return at::arange(first, first + n, at::kFloat).div(kSize / kBase);
  };
  expect_close(large, grid_sinusoid(at(-3, 15), at(-1, 12), kWidth).view({15, 12, kWidth}));
}

// What the checkpoint holds counts, not what a formula would give.
TEST(PositionTable, KeepsWhatIsStoredInTheMiddle) {
  const auto stored = normals({1, kSize * kSize, kWidth});
  const auto whole = stored.view({kSize, kSize, kWidth});
  const auto large = grid(positions(stored).crop(15, 12), 15, 12);
  expect_same_bits(large.narrow(0, 3, kSize).narrow(1, 1, kSize), whole);
  const auto tall = grid(positions(stored).crop(15, 4), 15, 4);
  expect_same_bits(tall.narrow(0, 3, kSize), whole.narrow(1, 3, 4));
}

// A larger grid has every smaller one of the same parity in its middle.
TEST(PositionTable, ALargerGridHoldsTheSmallerInItsMiddle) {
  const auto table_of = positions(table());
  const auto large = grid(table_of.crop(20, 16), 20, 16);
  expect_same_bits(large.narrow(0, 3, 14).narrow(1, 2, 12), grid(table_of.crop(14, 12), 14, 12));
}

TEST(PositionTable, HalfTypesStayHalf) {
  EXPECT_EQ(positions(table().to(at::kHalf)).crop(12, 12).scalar_type(), at::kHalf);
}

}  // namespace
}  // namespace trireme
