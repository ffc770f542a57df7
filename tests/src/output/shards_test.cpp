#include "src/output/shards.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

Shards shards_of(const std::vector<std::int64_t>& indices, std::int64_t shard_size) {
  return {static_cast<std::int64_t>(indices.size()), shard_size,
          [indices](std::int64_t position) { return indices[static_cast<std::size_t>(position)]; }};
}

TEST(Shards, AreFilesWhoseIndexSaysSo) {
  const auto shards = shards_of({0, 1, 7, 8, 9, 25}, 4);
  ASSERT_EQ(shards.size(), 4);
  EXPECT_EQ(shards[0], (Shard{.number = 0, .first = 0, .end = 2}));
  EXPECT_EQ(shards[1], (Shard{.number = 1, .first = 2, .end = 3}));
  EXPECT_EQ(shards[2], (Shard{.number = 2, .first = 3, .end = 5}));
  EXPECT_EQ(shards[3], (Shard{.number = 6, .first = 5, .end = 6}));
  EXPECT_EQ(shards.files(), 6);
  EXPECT_EQ(shards.place_of(0), 0);
  EXPECT_EQ(shards.place_of(2), 1);
  EXPECT_EQ(shards.place_of(5), 3);
}

TEST(Shards, OfNoFilesAreNone) {
  const auto shards = shards_of({}, 4);
  EXPECT_EQ(shards.size(), 0);
  EXPECT_EQ(shards.files(), 0);
}

// Every subset of twelve rows, against counting.
TEST(Shards, OfAnySubsetArePartedAlike) {
  for (unsigned subset = 1; subset < 1U << 12; ++subset) {
    std::vector<std::int64_t> indices;
    for (std::int64_t index = 0; index < 12; ++index)
      if (subset >> index & 1) indices.push_back(index);
    const auto shards = shards_of(indices, 3);
    for (std::size_t at = 0; at < indices.size(); ++at) {
      const auto place = shards.place_of(static_cast<std::int64_t>(at));
      ASSERT_EQ(shards[place].number, indices[at] / 3) << subset;
    }
    ASSERT_EQ(shards.files(), static_cast<std::int64_t>(indices.size()));
  }
}

TEST(Portions, CoverTheirShardInOrder) {
  const auto shards = shards_of({3, 4, 5, 6, 7, 8}, 4);
  const auto portions = portions_of(shards, 1, 3);
  ASSERT_EQ(portions.size(), 2U);
  EXPECT_EQ(portions[0], (Portion{.shard = 1, .first = 1, .end = 4}));
  EXPECT_EQ(portions[1], (Portion{.shard = 1, .first = 4, .end = 5}));
  EXPECT_EQ(portion_name(shards, portions[1]), "000001.000003");
}

TEST(Portions, AreWholeBatchesThatFitAShard) {
  for (const std::int64_t files : {1, 100, 10'000, 1'000'000})
    for (const std::int64_t batch : {1, 3, 4, 16, 2000}) {
      const auto size = portion_size(files, 1000, batch);
      EXPECT_GE(size, 1);
      EXPECT_LE(size, 1000);
      EXPECT_LE(size, 16 * batch);
      EXPECT_TRUE(size % batch == 0 || size == 1000) << files << " " << batch;
    }
}

TEST(Names, AreAsWideAsTheyMustBe) {
  EXPECT_EQ(shard_name(42), "000042");
  EXPECT_EQ(shard_name(1'234'567), "1234567");
}

}  // namespace
}  // namespace trireme
