// Sharded over n equals whole.
#include "parallel/layers/linear.h"

#include <gtest/gtest.h>

#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// Whole numbers, so that sums are exact in any order and a cut layer gives the whole one's bits.
// 6 heads of 4 channels: uneven over 4 ranks, and two of 8 ranks hold nothing.
constexpr int64_t kIn = 10, kOut = 24, kHead = 4;

std::map<std::string, at::Tensor> layer(const std::string& name, int64_t in, int64_t out,
                                        uint64_t seed) {
  return {{name + ".weight", integers({out, in}, seed)},
          {name + ".bias", integers({out}, seed + 1)}};
}

Weights qkv_and_out() {
  std::map<std::string, at::Tensor> all;
  all.merge(layer("q", kIn, kOut, 1));
  all.merge(layer("k", kIn, kOut, 3));
  all.merge(layer("v", kIn, kOut, 5));
  all.merge(layer("out", kOut, kIn, 7));
  return memory_weights(all);
}

class CutLinear : public testing::TestWithParam<int> {
 protected:
  void on_ranks(const std::function<void(Group)>& body) { run_ranks(GetParam(), body); }
  // What this rank holds of kOut channels in the last dimension.
  static at::Tensor mine(const at::Tensor& y, const Group& group) {
    return shard(y, -1, Split(kOut / kHead, group.size()).scaled(kHead), group.rank());
  }

  const at::Tensor x_ = integers({2, 5, kIn}, 11);
};

INSTANTIATE_TEST_SUITE_P(Ranks, CutLinear, testing::Values(1, 2, 3, 4, 8),
                         testing::PrintToStringParamName());

TEST_P(CutLinear, ColumnHoldsItsHeadsOfTheOutput) {
  on_ranks([&](Group group) {
    const auto weights = qkv_and_out();
    const auto whole = Linear(weights / "q", {.in = kIn, .out = kOut})(x_);
    const ColumnLinear cut(weights / "q", group, {.in = kIn, .out = kOut, .unit = kHead});
    expect_same_bits(cut(x_), mine(whole, group));
  });
}

TEST_P(CutLinear, FusedColumnIsItsColumnsSideBySide) {
  on_ranks([&](Group group) {
    const auto weights = qkv_and_out();
    const LinearShape shape{.in = kIn, .out = kOut, .unit = kHead};
    const FusedColumnLinear<3> qkv({weights / "q", weights / "k", weights / "v"}, group, shape);
    const auto [q, k, v] = qkv(x_);
    expect_same_bits(q, ColumnLinear(weights / "q", group, shape)(x_));
    expect_same_bits(k, ColumnLinear(weights / "k", group, shape)(x_));
    expect_same_bits(v, ColumnLinear(weights / "v", group, shape)(x_));
  });
}

TEST_P(CutLinear, GatheredIsWholeAgain) {
  on_ranks([&](Group group) {
    const auto weights = qkv_and_out();
    const GatheredLinear cut(weights / "q", group, {.in = kIn, .out = kOut, .unit = kHead});
    expect_same_bits(cut(x_), Linear(weights / "q", {.in = kIn, .out = kOut})(x_));
  });
}

TEST_P(CutLinear, RowAfterColumnIsAWholeMlp) {
  on_ranks([&](Group group) {
    const auto weights = qkv_and_out();
    const auto hidden = Linear(weights / "q", {.in = kIn, .out = kOut})(x_);
    const auto whole = Linear(weights / "out", {.in = kOut, .out = kIn})(hidden);
    const ColumnLinear up(weights / "q", group, {.in = kIn, .out = kOut, .unit = kHead});
    const RowLinear down(weights / "out", group, {.in = kOut, .out = kIn, .unit = kHead});
    expect_same_bits(down(up(x_)), whole);
  });
}

TEST_P(CutLinear, RowInFloat32KeepsWhatHalfWouldLose) {
  on_ranks([&](Group group) {
    // 24 inputs of 4096 sum to 98304, which is infinite in float16.
    const auto weights = memory_weights({{"weight", at::ones({2, kOut}).to(at::kHalf)}});
    const RowLinear row(weights, group, {.in = kOut, .out = 2, .unit = kHead, .bias = false});
    const auto x = at::full({1, kOut}, 4096.0).to(at::kHalf);
    expect_same_bits(row.in_float32(mine(x, group)), at::full({1, 2}, 98304.0));
  });
}

// More ranks than channels, no bias.
TEST_P(CutLinear, ThreeChannelsOverAnyNumberOfRanks) {
  on_ranks([&](Group group) {
    const auto weights = memory_weights(
        {{"up.weight", integers({3, kIn}, 21)}, {"down.weight", integers({kIn, 3}, 22)}});
    const LinearShape narrow{.in = kIn, .out = 3, .bias = false};
    const LinearShape wide{.in = 3, .out = kIn, .bias = false};
    const auto whole = Linear(weights / "down", wide)(Linear(weights / "up", narrow)(x_));
    const ColumnLinear up(weights / "up", group, narrow);
    const RowLinear down(weights / "down", group, wide);
    expect_same_bits(down(up(x_)), whole);
    expect_same_bits(GatheredLinear(weights / "up", group, narrow)(x_),
                     Linear(weights / "up", narrow)(x_));
  });
}

}  // namespace
}  // namespace trireme
