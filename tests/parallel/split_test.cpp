#include "parallel/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "parallel/error.h"

namespace trireme {
namespace {

std::vector<int64_t> lengths(const Split& split) {
  std::vector<int64_t> all;
  for (int part = 0; part < split.parts(); ++part) all.push_back(split[part].length);
  return all;
}

double maximum(const std::vector<double>& costs, const Split& split) {
  double largest = 0;
  for (int part = 0; part < split.parts(); ++part) {
    double sum = 0;
    for (auto unit = split[part].begin; unit < split[part].end(); ++unit) sum += costs[unit];
    largest = std::max(largest, sum);
  }
  return largest;
}

TEST(Split, TheHeadsOfSd35LargeOverFourAndEightRanks) {
  EXPECT_EQ(lengths(Split(38, 4)), (std::vector<int64_t>{10, 10, 9, 9}));
  EXPECT_EQ(lengths(Split(38, 8)), (std::vector<int64_t>{5, 5, 5, 5, 5, 5, 4, 4}));
}

TEST(Split, CoversEveryUnitOnceWhateverTheNumbers) {
  for (int64_t units = 0; units < 40; ++units) {
    for (int parts = 1; parts < 12; ++parts) {
      const Split split(units, parts);
      EXPECT_EQ(split.parts(), parts);
      EXPECT_EQ(split.units(), units);
      for (int part = 1; part < parts; ++part) {
        EXPECT_EQ(split[part].begin, split[part - 1].end());
        EXPECT_LE(split[part].length, split[part - 1].length);
        EXPECT_LE(split[0].length - split[part].length, 1);
      }
      for (int64_t unit = 0; unit < units; ++unit) {
        const auto part = split[split.owner(unit)];
        EXPECT_TRUE(part.begin <= unit && unit < part.end());
      }
    }
  }
}

TEST(Split, ScalesUnitsToChannels) {
  EXPECT_EQ(Split(3, 2).scaled(64)[1], (Part{128, 64}));
  EXPECT_TRUE(Split(4, 2).even());
  EXPECT_FALSE(Split(5, 2).even());
}

TEST(Split, AUnitOutsideHasNoOwner) {
  EXPECT_THROW(Split(4, 2).owner(4), Error);
  EXPECT_THROW(Split(4, 0), Error);
}

TEST(SplitByCost, EqualCostsGiveTheEvenSplit) {
  for (int units = 1; units < 30; ++units) {
    for (int parts = 1; parts < 9; ++parts) {
      EXPECT_EQ(lengths(Split::by_cost(std::vector<double>(units, 1.0), parts)),
                lengths(Split(units, parts)));
    }
  }
}

TEST(SplitByCost, AnExpensiveUnitStandsAlone) {
  EXPECT_EQ(lengths(Split::by_cost({9, 1, 1, 1, 1}, 2)), (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(lengths(Split::by_cost({1, 1, 1, 9}, 3)), (std::vector<int64_t>{2, 1, 1}));
}

TEST(SplitByCost, OfEquallyGoodSplitsTheMostLevelIsTaken) {
  EXPECT_EQ(lengths(Split::by_cost({9, 1, 1, 1, 1, 1, 1}, 3)), (std::vector<int64_t>{1, 3, 3}));
}

TEST(SplitByCost, EveryPartGetsAUnitWhileThereAreUnits) {
  EXPECT_EQ(lengths(Split::by_cost({0, 0, 0, 5}, 3)), (std::vector<int64_t>{2, 1, 1}));
  EXPECT_EQ(lengths(Split::by_cost({1, 1}, 4)), (std::vector<int64_t>{1, 1, 0, 0}));
  EXPECT_EQ(lengths(Split::by_cost({}, 2)), (std::vector<int64_t>{0, 0}));
}

// Against all ways to cut, tried one by one.
TEST(SplitByCost, IsOptimal) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> costs(2 + random() % 9);
    for (auto& cost : costs) cost = random() % 10;
    const int parts = 1 + static_cast<int>(random() % costs.size());
    double best = 1e9;
    std::vector<int64_t> cut;
    const std::function<void(int64_t)> try_all = [&](int64_t left) {
      if (static_cast<int>(cut.size()) == parts - 1) {
        cut.push_back(left);
        best = std::min(best, maximum(costs, Split::of_lengths(cut)));
        cut.pop_back();
        return;
      }
      const auto behind = parts - 1 - static_cast<int64_t>(cut.size());
      for (int64_t length = 1; length <= left - behind; ++length) {
        cut.push_back(length);
        try_all(left - length);
        cut.pop_back();
      }
    };
    try_all(static_cast<int64_t>(costs.size()));
    const auto split = Split::by_cost(costs, parts);
    EXPECT_EQ(maximum(costs, split), best);
    for (const auto length : lengths(split)) EXPECT_GE(length, 1);
  }
}

}  // namespace
}  // namespace trireme
