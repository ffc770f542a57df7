// A pipeline's programs: who does what in which order, that they fit together, and how idle they
// leave the stages, against the formulas of counts.md section 7.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/error.h"
#include "parallel/schedule/program.h"
#include "parallel/schedule/simulate.h"
#include "parallel/schedule/trace.h"

namespace trireme {
namespace {

Costs forward_only() {
  return {.compute = [](int, const Op& op) { return op.kind == Op::Kind::kForward ? 1.0 : 0.0; }};
}

double idle(int stages, int in_flight, const std::vector<int>& steps) {
  return simulate(pipeline_programs(steps, in_flight, stages), forward_only()).bubble();
}

TEST(Circular, BatchesTakeTurnsAndAFreeTurnIsTakenAtOnce) {
  EXPECT_EQ(circular({2, 1, 3}, 2),
            (std::vector<Visit>{{0, 0}, {1, 0}, {0, 1}, {2, 0}, {2, 1}, {2, 2}}));
  EXPECT_EQ(circular({2, 2}, 1), (std::vector<Visit>{{0, 0}, {0, 1}, {1, 0}, {1, 1}}));
  EXPECT_TRUE(circular({}, 3).empty());
  EXPECT_EQ(circular({0, 1}, 3), (std::vector<Visit>{{1, 0}}));
}

TEST(Circular, EveryStepOfEveryBatchOnceAndInOrder) {
  const std::vector<int> steps = {5, 1, 28, 0, 7, 20, 3};
  for (int in_flight = 1; in_flight < 9; ++in_flight) {
    std::vector<int> seen(steps.size(), 0);
    for (const auto& visit : circular(steps, in_flight)) EXPECT_EQ(visit.step, seen[visit.batch]++);
    EXPECT_EQ(seen, steps);
  }
}

TEST(Programs, OneStageIsALoop) {
  const auto programs = pipeline_programs({2}, 1, 1);
  std::vector<std::string> ops;
  for (const auto& op : programs.at(0)) ops.push_back(to_string(op));
  EXPECT_EQ(ops, (std::vector<std::string>{"begin batch 0 step 0", "forward batch 0 step 0",
                                           "step batch 0 step 0", "forward batch 0 step 1",
                                           "step batch 0 step 1", "finish batch 0 step 1"}));
}

TEST(Programs, TheLastStageSendsLatentsBackToTheFirst) {
  const auto programs = pipeline_programs({2}, 1, 2);
  using Kind = Op::Kind;
  EXPECT_EQ(programs[0], (Program{{Kind::kBegin, {0, 0}},
                                  {Kind::kForward, {0, 0}},
                                  {Kind::kSend, {0, 0}, 1},
                                  {Kind::kReceive, {0, 1}, 1},
                                  {Kind::kForward, {0, 1}},
                                  {Kind::kSend, {0, 1}, 1}}));
  EXPECT_EQ(programs[1], (Program{{Kind::kReceive, {0, 0}, 0},
                                  {Kind::kForward, {0, 0}},
                                  {Kind::kStep, {0, 0}},
                                  {Kind::kSend, {0, 0}, 0},
                                  {Kind::kReceive, {0, 1}, 0},
                                  {Kind::kForward, {0, 1}},
                                  {Kind::kStep, {0, 1}},
                                  {Kind::kFinish, {0, 1}}}));
}

TEST(Programs, ThatDoNotFitTogetherAreFound) {
  const auto good = pipeline_programs({3, 2, 4}, 2, 3);
  const auto broken = [&](const std::function<void(std::vector<Program>&)>& change) {
    auto programs = good;
    change(programs);
    EXPECT_THROW(check_programs(programs), Error);
  };
  broken([](auto& p) { p[1].erase(p[1].begin()); });  // never takes a message
  broken([](auto& p) { p[1].pop_back(); });           // never sends the last
  broken([](auto& p) { std::swap(p[2].front(), *std::prev(p[2].end(), 6)); });
  broken([](auto& p) { std::reverse(p[0].begin(), p[0].end()); });  // waits for itself
}

TEST(Bubble, OfASingleWaveIsTheFormula) {
  for (const int stages : {1, 2, 3, 4, 8})
    for (const int batches : {stages, stages + 1, 2 * stages})
      for (const int steps : {1, 4, 28})
        EXPECT_NEAR(idle(stages, batches, std::vector<int>(batches, steps)),
                    (stages - 1.0) / (batches * steps + stages - 1.0), 1e-12);
}

// Table of counts.md: stages, in flight, steps, images, idle in per cent.
TEST(Bubble, IsThatOfTheTable) {
  struct Row {
    int stages, in_flight, steps, images;
    double percent;
  };
  for (const auto& row : {Row{4, 4, 28, 4, 2.61}, Row{4, 4, 28, 64, 0.17}, Row{8, 8, 20, 8, 4.19},
                          Row{2, 2, 28, 2, 1.75}, Row{8, 4, 20, 4, 50.9}, Row{4, 2, 28, 2, 50.4},
                          Row{8, 2, 20, 2, 75.2}}) {
    const auto found = idle(row.stages, row.in_flight, std::vector<int>(row.images, row.steps));
    EXPECT_NEAR(100 * found, row.percent, row.percent < 10 ? 0.005 : 0.05)
        << row.stages << " stages, " << row.in_flight << " in flight";
  }
}

// Batches of other lengths follow each other without a gap: a dataset keeps every stage busy.
TEST(Bubble, OfALongDatasetOfAnyStepsTendsToNothing) {
  std::vector<int> steps;
  for (int i = 0; i < 200; ++i) steps.push_back(1 + i * 7 % 28);
  EXPECT_LT(idle(4, 4, steps), 0.02);
  EXPECT_LT(idle(4, 6, steps), 0.02);
}

TEST(Bubble, TransfersHideBehindOtherBatches) {
  auto costs = forward_only();
  costs.transfer = [](int, const Op&) { return 0.9; };
  const auto slow = [&](int in_flight) {
    return simulate(pipeline_programs(std::vector<int>(64, 20), in_flight, 4), costs).bubble();
  };
  EXPECT_GT(slow(4), 0.4);   // a batch is back only after 4 x 1.9
  EXPECT_LT(slow(8), 0.01);  // meanwhile others are on their way
}

TEST(Trace, IsReadByChrome) {
  const auto trace = simulate(pipeline_programs({1}, 1, 2), forward_only());
  EXPECT_DOUBLE_EQ(trace.seconds(), 2);
  const auto json = to_chrome_json({{"predicted", trace}});
  EXPECT_NE(json.find(R"("name":"forward batch 0 step 0","pid":0,"tid":1,"ts":1000000.000)"),
            std::string::npos)
      << json;
}

}  // namespace
}  // namespace trireme
