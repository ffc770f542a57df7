#include "src/report/timeline.h"

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

LoggedEvent at(const std::string& run, double begun, double seconds, Event event, int rank = 0) {
  return {begun + seconds, seconds, run, rank, std::move(event)};
}

TEST(Timeline, OfNoLogIsEmpty) {
  const auto line = read_logs("nowhere").finish(4, 4, 4);
  EXPECT_EQ(line.seconds, 0);
  EXPECT_TRUE(line.rate.empty());
  EXPECT_TRUE(line.runs.empty());
}

TEST(Timeline, LeavesOutWhatLiesBetweenRuns) {
  TimelineMaker maker;
  for (const auto& [run, begun] : {std::pair{"b", 9000.0}, std::pair{"a", 1000.0}}) {
    maker.add(at(run, begun, 0, RunStarted{.ranks = 2, .samples = 50}));
    maker.add(at(run, begun, 10, BatchDone{.samples = 20}));
  }
  maker.add(at("b", 9000, 10, RunEnded{.exit_code = 85}));
  const auto line = maker.finish(4, 4, 4);
  EXPECT_EQ(line.seconds, 20);
  EXPECT_EQ(line.rate, std::vector<double>({2, 2, 2, 2}));
  ASSERT_EQ(line.runs.size(), 2u);
  EXPECT_EQ(line.runs[1].at, 10);
  EXPECT_FALSE(line.runs[0].exit_code);
  EXPECT_EQ(line.runs[1].exit_code, 85);
  EXPECT_EQ(line.samples, 50);
}

TEST(Timeline, RunsAtTheSameTimeLieOverEachOther) {
  TimelineMaker maker;
  maker.add(at("a", 1000, 10, BatchDone{.samples = 10}));
  maker.add(at("b", 1005, 10, BatchDone{.samples = 10}));
  const auto line = maker.finish(3, 3, 4);
  EXPECT_EQ(line.seconds, 15);
  EXPECT_EQ(line.rate, std::vector<double>({1, 2, 1}));
}

TEST(Timeline, LanesSayWhatEachRankDid) {
  TimelineMaker maker;
  maker.add(at("a", 0, 10, BatchDone{.seconds = {{"denoise", 5}, {"later", 9}}}, 3));
  maker.add(at("a", 0, 20, BatchDone{.seconds = {{"denoise", 8}, {"write", 2}}}, 3));
  maker.add(at("a", 0, 20, BatchDone{}, 4));
  const auto line = maker.finish(2, 2, 1);
  ASSERT_EQ(line.lanes.size(), 1u);
  EXPECT_EQ(line.lanes[0].rank, 3);
  EXPECT_EQ(line.lanes[0].parts[0], (StageSeconds{0, 0, 0.5, 0, 0}));
  EXPECT_EQ(line.lanes[0].parts[1], (StageSeconds{0, 0, 0.8, 0, 0.2}));
}

}  // namespace
}  // namespace trireme
