// What is damaged is taken back, and only that.
#include <gtest/gtest.h>

#include "src/output/manifest.h"
#include "tests/src/output/small_job.h"
#include "tests/support/model_disk.h"

namespace trireme {
namespace {

using Names = std::vector<std::string>;

class ShardCheckTest : public testing::Test {
 protected:
  ModelDisk done(bool is_tar) {
    job_.is_tar = is_tar;
    ModelDisk disk;
    run(job_, disk, dead_writer(1));
    return disk;
  }

  Names taken_back(ModelDisk& disk) {
    return ShardStore(disk, kOut, job_.store_options()).take_back_what_is_damaged();
  }

  // How many samples of the shard.
  std::size_t recorded(ModelDisk& disk, std::int64_t place) {
    return ShardStore(disk, kOut, job_.store_options()).recorded(place).size();
  }

  SmallJob job_;
};

// Flipped, cut, emptied, grown, lost.
std::vector<std::function<void(ModelDisk&, const std::string&)>> damages() {
  return {[](auto& disk, const auto& path) {
            auto bytes = disk.content(path);
            bytes[bytes.size() / 2] ^= 1;
            disk.damage(path, bytes);
          },
          [](auto& disk, const auto& path) { disk.damage(path, disk.content(path).substr(1)); },
          [](auto& disk, const auto& path) { disk.damage(path, ""); },
          [](auto& disk, const auto& path) { disk.damage(path, disk.content(path) + "x"); },
          [](auto& disk, const auto& path) { disk.lose(path); }};
}

TEST_F(ShardCheckTest, WhatIsWholeStays) {
  for (const bool is_tar : {false, true}) {
    auto disk = done(is_tar);
    const auto before = disk.contents();
    EXPECT_EQ(taken_back(disk), Names{});
    EXPECT_EQ(disk.contents(), before);
  }
}

TEST_F(ShardCheckTest, OfFilesTheDamagedOneAlone) {
  const auto whole = done(false);
  for (const auto& damage : damages()) {
    auto disk = whole;
    damage(disk, kOut + "/00000/00000002.png");
    EXPECT_EQ(taken_back(disk), Names{"00000/00000002.png"});
    EXPECT_FALSE(disk.has(kOut + "/00000/00000002.png"));
    EXPECT_FALSE(disk.has(kOut + "/000000.json"));
    EXPECT_EQ(recorded(disk, 0), 2U);  // of three: one done, one failed
    EXPECT_TRUE(disk.has(kOut + "/000001.json"));
    run(job_, disk, dead_writer(2));
    EXPECT_EQ(visible(disk.contents()), visible(whole.contents()));
  }
}

// Somebody tidies up while the job is not done.
TEST_F(ShardCheckTest, WhatIsRecordedAndNotThereIsMadeAgain) {
  const auto whole = done(false);
  auto disk = whole;
  disk.lose(kOut + "/00000/00000002.png");
  taken_back(disk);
  disk.lose(kOut + "/00000/00000000.png");
  EXPECT_EQ(recorded(disk, 0), 1U);  // the failed one
  run(job_, disk, dead_writer(2));
  EXPECT_EQ(visible(disk.contents()), visible(whole.contents()));
}

TEST_F(ShardCheckTest, OfTarsTheDamagedOneAlone) {
  const auto whole = done(true);
  for (const auto& damage : damages()) {
    auto disk = whole;
    damage(disk, kOut + "/000001.tar");
    EXPECT_EQ(taken_back(disk), Names{"000001.tar"});
    EXPECT_FALSE(disk.has(kOut + "/000001.json"));
    EXPECT_TRUE(disk.has(kOut + "/000000.json"));
    run(job_, disk, dead_writer(2));
    EXPECT_EQ(visible(disk.contents()), visible(whole.contents()));
  }
}

TEST_F(ShardCheckTest, ADamagedManifestIsMadeAgain) {
  for (const bool is_tar : {false, true}) {
    const auto whole = done(is_tar);
    auto disk = whole;
    disk.damage(kOut + "/000000.json", "{}");
    EXPECT_EQ(taken_back(disk), Names{"000000.json"});
    run(job_, disk, dead_writer(2));
    EXPECT_EQ(visible(disk.contents()), visible(whole.contents()));
  }
}

// Another shard's, copied over: it parses, and lies.
TEST_F(ShardCheckTest, AManifestOfAnotherShardIsNone) {
  for (const bool is_tar : {false, true}) {
    const auto whole = done(is_tar);
    auto disk = whole;
    disk.damage(kOut + "/000000.json", disk.content(kOut + "/000001.json"));
    EXPECT_FALSE(taken_back(disk).empty());
    run(job_, disk, dead_writer(2));
    EXPECT_EQ(visible(disk.contents()), visible(whole.contents()));
  }
}

TEST_F(ShardCheckTest, AManifestWithAnotherIndexIsNone) {
  const auto whole = done(true);
  auto disk = whole;
  auto text = disk.content(kOut + "/000001.json");
  text.replace(text.find("\"index\":6"), 9, "\"index\":7");
  disk.damage(kOut + "/000001.json", text);
  EXPECT_EQ(taken_back(disk), Names{"000001.json"});
  run(job_, disk, dead_writer(2));
  EXPECT_EQ(visible(disk.contents()), visible(whole.contents()));
}

// Where sizes and dates are as noted no picture is read.
TEST_F(ShardCheckTest, WhatLooksAsItDidIsNotReadAgain) {
  auto disk = done(true);
  disk.fail({});
  taken_back(disk);
  const auto with_notes = disk.calls();
  for (const auto* note : {"000000", "000001"}) disk.lose(kOut + "/.trireme/sealed/" + note);
  disk.fail({});
  EXPECT_EQ(taken_back(disk), Names{});
  EXPECT_GT(disk.calls(), with_notes);
  disk.fail({});
  EXPECT_EQ(taken_back(disk), Names{});  // noted again
  EXPECT_EQ(disk.calls(), with_notes);
}

TEST_F(ShardCheckTest, SealedShardsTellHowTheirSamplesEnded) {
  auto disk = done(false);
  const ShardStore store(disk, kOut, job_.store_options());
  EXPECT_EQ(store.verdicts(0), (Verdicts{.done = 2, .failed = 1}));
  EXPECT_EQ(store.verdicts(1), (Verdicts{.done = 1, .skipped = 1}));
  disk.lose(kOut + "/.trireme/sealed/000001");
  EXPECT_EQ(store.verdicts(1), (Verdicts{.done = 1, .skipped = 1}));
}

}  // namespace
}  // namespace trireme
