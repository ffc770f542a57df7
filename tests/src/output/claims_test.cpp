#include "src/output/claims.h"

#include <gtest/gtest.h>

#include "src/output/writer.h"
#include "tests/src/output/small_job.h"
#include "tests/support/model_disk.h"

namespace trireme {
namespace {

using State = Claims::State;

class ClaimsTest : public testing::Test {
 protected:
  Claims claims_of(const std::string& writer) {
    return {disk_, "/claims", {.writer = writer, .now = [this] { return now_; }}};
  }

  ModelDisk disk_;
  double now_ = 100;
};

TEST_F(ClaimsTest, OfSeveralWhoTakeAUnitOneHasIt) {
  auto ours = claims_of(this_writer()), theirs = claims_of("elsewhere-1-1");
  EXPECT_TRUE(ours.look().empty());
  EXPECT_TRUE(theirs.look().empty());
  EXPECT_EQ(theirs.take("000001.000000"), 0);
  EXPECT_EQ(ours.take("000001.000000"), std::nullopt);
  EXPECT_EQ(ours.look().at("000001.000000"), State::kHeld);
  EXPECT_EQ(theirs.look().at("000001.000000"), State::kHeld);
  EXPECT_EQ(ours.take("000001.000064"), 0);
}

TEST_F(ClaimsTest, ADeadProcessOfThisHostHoldsNothing) {
  auto dead = claims_of(dead_writer(1)), alive = claims_of(this_writer());
  dead.look();
  dead.take("000001.000000");
  EXPECT_EQ(alive.look().at("000001.000000"), State::kFree);
  EXPECT_EQ(alive.take("000001.000000"), 1);  // the next generation
  EXPECT_FALSE(disk_.has("/claims/000001.000000.0"));
  EXPECT_EQ(claims_of("elsewhere-1-1").look().at("000001.000000"), State::kHeld);
}

// Of another host only its counter can tell; by our own clock.
TEST_F(ClaimsTest, OneThatMovesIsHeldOneThatStandsIsFree) {
  auto theirs = claims_of("elsewhere-1-1"), ours = claims_of(this_writer());
  theirs.look();
  theirs.take("u");
  for (int i = 0; i < 100; ++i, now_ += 10) {
    EXPECT_EQ(ours.look().at("u"), State::kHeld);
    theirs.beat();
  }
  EXPECT_EQ(ours.look().at("u"), State::kHeld);  // the last beat, first seen now
  now_ += 14;
  EXPECT_EQ(ours.look().at("u"), State::kHeld);
  now_ += 2;
  EXPECT_EQ(ours.look().at("u"), State::kFree);
  EXPECT_EQ(ours.take("u"), 1);
  EXPECT_EQ(theirs.look().at("u"), State::kHeld);  // by us now
  theirs.beat();                                   // what was taken over stays so
  EXPECT_FALSE(disk_.has("/claims/u.0"));
}

// A process of this host that is there and does not move is stopped, or hangs.
TEST_F(ClaimsTest, AStoppedProcessOfThisHostHoldsForAWhile) {
  auto stopped = claims_of(this_writer()), ours = claims_of("elsewhere-1-1");
  stopped.look();
  stopped.take("u");
  EXPECT_EQ(ours.look().at("u"), State::kHeld);
  now_ += 16;
  EXPECT_EQ(ours.look().at("u"), State::kFree);
}

TEST_F(ClaimsTest, OneThatItsMakerCouldNotSignIsFreeInTime) {
  disk_.make_folder("/claims");
  disk_.create("/claims/u.0");
  auto ours = claims_of(this_writer());
  EXPECT_EQ(ours.look().at("u"), State::kHeld);
  now_ += 16;
  EXPECT_EQ(ours.look().at("u"), State::kFree);
}

TEST_F(ClaimsTest, DoneIsDoneForAllUntilReopened) {
  auto ours = claims_of(this_writer()), theirs = claims_of("elsewhere-1-1");
  ours.look();
  ours.take("u");
  ours.done("u");
  ours.done("u");
  EXPECT_EQ(theirs.look().at("u"), State::kDone);
  ours.beat();
  theirs.reopen("u");
  theirs.reopen("u");
  EXPECT_NE(theirs.look().at("u"), State::kDone);
}

TEST_F(ClaimsTest, OfASealedShardNothingIsLeft) {
  auto ours = claims_of(this_writer());
  ours.look();
  ours.take("000001.000000");
  ours.take("000002.000000");
  ours.done("000001.000000");
  ours.forget("000001.");
  ours.beat();  // brings none back
  EXPECT_FALSE(ours.look().contains("000001.000000"));
  EXPECT_EQ(ours.look().at("000002.000000"), State::kHeld);
}

TEST_F(ClaimsTest, OtherNamesAreNoUnits) {
  disk_.make_folder("/claims");
  for (const auto* name : {".u.0.tmp-elsewhere-1-1-b", "notes", "u.x", ".0"})
    disk_.create(std::string("/claims/") + name);
  EXPECT_TRUE(claims_of(this_writer()).look().empty());
}

}  // namespace
}  // namespace trireme
