// A pipeline's programs: who does what in which order, that they fit together, and how idle they
// leave the stages, against the formulas of counts.md section 7.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "parallel/error.h"
#include "parallel/schedule/program.h"
#include "parallel/schedule/program_maker.h"
#include "parallel/schedule/simulate.h"
#include "parallel/schedule/trace.h"

namespace trireme {
namespace {

using Kind = Op::Kind;
using Steps = std::vector<int64_t>;

// The first stage encodes and the last one decodes.
Roles pipeline(int stages) {
  Roles roles(stages);
  for (int stage = 0; stage < stages; ++stage) roles[stage].stage = stage;
  roles.front().encodes = roles.back().decodes = true;
  return roles;
}

NextSteps one_by_one(const Steps& steps) {
  return [batch = size_t{0}, steps]() mutable {
    return batch < steps.size() ? std::optional<int64_t>(steps[batch++]) : std::nullopt;
  };
}

std::vector<Visit> visits(const Steps& steps, int in_flight) {
  Circular circular(in_flight, one_by_one(steps));
  std::vector<Visit> visits;
  while (const auto visit = circular.next()) visits.push_back(*visit);
  return visits;
}

Costs forward_only() {
  return {.compute = [](int, const Op& op) { return op.kind == Kind::kForward ? 1.0 : 0.0; }};
}

double idle(int stages, int in_flight, const Steps& steps) {
  const auto roles = pipeline(stages);
  return simulate(roles, make_programs(roles, in_flight, steps), forward_only()).bubble();
}

TEST(Circular, BatchesTakeTurnsAndAFreeTurnIsTakenAtOnce) {
  EXPECT_EQ(visits({2, 1, 3}, 2),
            (std::vector<Visit>{{0, 0}, {1, 0}, {0, 1}, {2, 0}, {2, 1}, {2, 2}}));
  EXPECT_EQ(visits({2, 2}, 1), (std::vector<Visit>{{0, 0}, {0, 1}, {1, 0}, {1, 1}}));
  EXPECT_TRUE(visits({}, 3).empty());
}

TEST(Circular, EveryStepOfEveryBatchOnceAndInOrder) {
  const Steps steps = {5, 1, 28, 7, 20, 3};
  for (int in_flight = 1; in_flight < 9; ++in_flight) {
    Steps seen(steps.size(), 0);
    for (const auto& visit : visits(steps, in_flight)) EXPECT_EQ(visit.step, seen[visit.batch]++);
    EXPECT_EQ(seen, steps);
  }
}

// Without the words about turns and what is done.
Program work(Program program) {
  std::erase_if(program, [](const Op& op) {
    return op.kind == Kind::kTurn || op.kind == Kind::kDone || op.kind == Kind::kWait;
  });
  return program;
}

TEST(Programs, OneRankIsALoop) {
  const auto programs = make_programs(pipeline(1), 1, {2});
  std::vector<std::string> ops;
  for (const auto& op : work(programs.at(0))) ops.push_back(to_string(op));
  EXPECT_EQ(ops, (std::vector<std::string>{"encode batch 0 step 0", "begin batch 0 step 0",
                                           "forward batch 0 step 0", "step batch 0 step 0",
                                           "forward batch 0 step 1", "step batch 0 step 1",
                                           "decode batch 0 step 1"}));
}

TEST(Programs, TheLastStageSendsLatentsBackToTheFirst) {
  const auto programs = make_programs(pipeline(2), 1, {2});
  EXPECT_EQ(work(programs[0]), (Program{{Kind::kEncode, {0, 0}},
                                        {Kind::kGiveText, {0, 0}},
                                        {Kind::kBegin, {0, 0}},
                                        {Kind::kExpect, {0, 1}, 1},
                                        {Kind::kForward, {0, 0}},
                                        {Kind::kSend, {0, 0}, 1},
                                        {Kind::kReceive, {0, 1}, 1},
                                        {Kind::kForward, {0, 1}},
                                        {Kind::kSend, {0, 1}, 1}}));
  EXPECT_EQ(work(programs[1]), (Program{{Kind::kTakeText, {0, 0}},
                                        {Kind::kBegin, {0, 0}},
                                        {Kind::kReceive, {0, 0}, 0},
                                        {Kind::kExpect, {0, 1}, 0},
                                        {Kind::kForward, {0, 0}},
                                        {Kind::kStep, {0, 0}},
                                        {Kind::kSend, {0, 0}, 0},
                                        {Kind::kReceive, {0, 1}, 0},
                                        {Kind::kForward, {0, 1}},
                                        {Kind::kStep, {0, 1}},
                                        {Kind::kDecode, {0, 1}}}));
}

// While the transformer works on a batch, the encoders make the next one's text and the VAE the
// last one's picture.
TEST(Programs, ComponentsWithRanksOfTheirOwnWorkAtTheSameTime) {
  const Roles roles = {{.encodes = true}, {.stage = 0}, {.decodes = true}};
  const auto costs = [](int, const Op& op) {
    if (op.kind == Kind::kForward) return 1.0;
    return op.kind == Kind::kEncode || op.kind == Kind::kDecode ? 4.0 : 0.0;
  };
  const auto trace = simulate(roles, make_programs(roles, 1, Steps(10, 4)), {.compute = costs});
  EXPECT_DOUBLE_EQ(trace.seconds(), 4 + 10 * 4 + 4);  // 12 x 4 instead of 3 x 10 x 4
}

// Everything that a layout can be: in a word a digit is a stage, e the encoders, v the VAE.
Roles roles_of(const std::vector<std::string>& ranks) {
  Roles roles;
  for (const auto& rank : ranks) {
    auto& role = roles.emplace_back();
    for (const char letter : rank) {
      if (letter == 'e') role.encodes = true;
      if (letter == 'v') role.decodes = true;
      if (letter >= '0' && letter <= '9') role.stage = letter - '0';
    }
    if (role.stage >= 0)
      role.place = static_cast<int>(ranks_of_stage(roles, role.stage).size()) - 1;
  }
  return roles;
}

class Layouts : public testing::TestWithParam<std::vector<std::string>> {};

INSTANTIATE_TEST_SUITE_P(
    All, Layouts,
    testing::Values(std::vector<std::string>{"e0v"}, std::vector<std::string>{"e0", "v"},
                    std::vector<std::string>{"e", "0", "v"}, std::vector<std::string>{"ev", "0"},
                    std::vector<std::string>{"e0v", "e1v", "e2v", "e3v"},
                    std::vector<std::string>{"e0", "1", "2", "3v"},
                    std::vector<std::string>{"e", "0", "1", "2", "v", "v"},
                    std::vector<std::string>{"e0", "e0", "1v", "1v"},
                    std::vector<std::string>{"0v", "1e", "2"},
                    std::vector<std::string>{"3", "2v", "1", "0e"},
                    std::vector<std::string>{"e", "e0", "1", "v"},
                    std::vector<std::string>{"0", "0", "1e", "1", "2v", "2v"},
                    std::vector<std::string>{"e", "e", "0", "0", "1", "1", "v", ""}));

// make_programs checks what it makes.
TEST_P(Layouts, FitTogether) {
  const auto roles = roles_of(GetParam());
  for (const int in_flight : {stage_count(roles), 4, 7})
    for (const Steps& steps : {Steps{}, Steps{1}, Steps{1, 1, 1, 1, 1, 1}, Steps{3, 1, 4, 1, 5, 9},
                               Steps(20, 2), Steps{12, 1, 1, 1, 1, 12}}) {
      const auto programs = make_programs(roles, in_flight, steps);
      for (size_t rank = 0; rank < roles.size(); ++rank) {
        const auto count = [&](Kind kind) {
          return std::count_if(programs[rank].begin(), programs[rank].end(),
                               [&](const Op& op) { return op.kind == kind; });
        };
        const auto batches = static_cast<int64_t>(steps.size());
        EXPECT_EQ(count(Kind::kEncode), roles[rank].encodes ? batches : 0);
        EXPECT_EQ(count(Kind::kDecode), roles[rank].decodes ? batches : 0);
        EXPECT_EQ(count(Kind::kBegin), roles[rank].stage >= 0 ? batches : 0);
      }
    }
}

// Ranks that know only as many turns as they ask for, and stop before the same one.
std::vector<Program> stopped(const Roles& roles, int in_flight, const Steps& steps, int64_t end) {
  std::vector<Program> programs;
  for (int rank = 0; rank < static_cast<int>(roles.size()); ++rank) {
    ProgramMaker maker(roles, rank, in_flight, one_by_one(steps));
    programs.push_back(whole_program(maker, end));
  }
  return programs;
}

TEST_P(Layouts, FitTogetherWhereverTheyStop) {
  const auto roles = roles_of(GetParam());
  const Steps steps = {3, 1, 4, 1, 5, 2};
  for (const int in_flight : {stage_count(roles), 4, 7})
    for (int64_t end = 0; end <= 16; ++end) {
      const auto programs = stopped(roles, in_flight, steps, end);
      ASSERT_NO_THROW(check_programs(roles, programs)) << in_flight << " in flight, end " << end;
      for (size_t rank = 0; rank < roles.size(); ++rank)
        EXPECT_EQ(std::count_if(programs[rank].begin(), programs[rank].end(),
                                [](const Op& op) { return op.kind == Kind::kForward; }),
                  roles[rank].stage >= 0 ? end : 0);
    }
}

// Any rank may hold anything: what somebody must do, somebody does.
Roles random_roles(std::mt19937& random) {
  const auto below = [&](int n) { return static_cast<int>(random() % n); };
  const int stages = 1 + below(4), places = 1 + below(2), others = below(3);
  Roles roles;
  for (int stage = 0; stage < stages; ++stage)
    for (int place = 0; place < places; ++place) roles.push_back({.stage = stage, .place = place});
  for (int i = 0; i < others; ++i) roles.push_back({});
  std::shuffle(roles.begin(), roles.end(), random);
  for (auto& role : roles) role.encodes = below(3) == 0, role.decodes = below(3) == 0;
  const int ranks = static_cast<int>(roles.size());
  roles[below(ranks)].encodes = roles[below(ranks)].decodes = true;
  // A job may be a part of the way.
  constexpr struct {
    bool encodes, denoises, decodes;
  } kParts[] = {{true, true, true},  {true, true, true},   {true, true, false},
                {false, true, true}, {true, false, false}, {false, true, false},
                {false, false, true}};
  const auto& part = kParts[below(7)];
  for (auto& role : roles) {
    if (!part.encodes) role.encodes = false;
    if (!part.denoises) role.stage = -1;
    if (!part.decodes) role.decodes = false;
  }
  return roles;
}

TEST(Programs, OfAnyLayoutFitTogetherWhereverTheyStop) {
  std::mt19937 random(7);
  for (int round = 0; round < 1500; ++round) {
    const auto roles = random_roles(random);
    Steps steps(random() % 12);
    for (auto& each : steps) each = static_cast<int64_t>(1 + random() % 6);
    const int in_flight = std::max(1, stage_count(roles) + static_cast<int>(random() % 3));
    make_programs(roles, in_flight, steps);
    const auto end = static_cast<int64_t>(random() % 30);
    ASSERT_NO_THROW(check_programs(roles, stopped(roles, in_flight, steps, end))) << round;
  }
}

// Batches of any steps pass each other. At a begin, what the others are not done with counts.
TEST(Programs, OpenNoMoreBatchesThanAllRanksCanFollow) {
  std::mt19937 random(8);
  for (int round = 0; round < 200; ++round) {
    const auto roles = random_roles(random);
    if (stage_count(roles) == 0) continue;
    Steps steps(30);
    for (auto& each : steps) each = static_cast<int64_t>(random() % 5 == 0 ? 9 : 1);
    const int in_flight = batches_in_flight(roles), leader = leader_of(roles);
    const auto slow = static_cast<int>(random() % roles.size());
    const auto trace =
        simulate(roles, make_programs(roles, in_flight, steps),
                 {.compute = [&](int rank, const Op&) { return rank == slow ? 10.0 : 1.0; }});
    for (int rank = 0; rank < static_cast<int>(roles.size()); ++rank) {
      if (rank == leader) continue;
      int64_t begun = 0;
      for (const auto& [op, at, end] : trace.lanes[leader])
        if (op.kind == Kind::kBegin) {
          ++begun;
          const auto done = std::count_if(
              trace.lanes[rank].begin(), trace.lanes[rank].end(),
              [&](const Span& span) { return span.op.kind == Kind::kDone && span.end <= at; });
          ASSERT_LE(begun - done, most_open_batches(roles, in_flight)) << round;
        }
    }
  }
}

TEST(Programs, ThatDoNotFitTogetherAreFound) {
  const auto roles = pipeline(3);
  const auto good = make_programs(roles, 2, {3, 2, 4});
  const auto broken = [&](const std::function<void(std::vector<Program>&)>& change) {
    auto programs = good;
    change(programs);
    EXPECT_THROW(check_programs(roles, programs), Error);
  };
  broken([](auto& p) { p[1].erase(p[1].begin()); });  // never hears of a turn
  broken([](auto& p) { p[1].pop_back(); });           // never sends the last
  broken([](auto& p) {
    std::erase_if(p[2], [](const Op& op) { return op.kind == Kind::kTakeText; });
  });
  broken([](auto& p) { std::swap(p[2][4], *std::prev(p[2].end(), 6)); });
  broken([](auto& p) { std::reverse(p[0].begin(), p[0].end()); });  // waits for itself
}

TEST(Bubble, OfASingleWaveIsTheFormula) {
  for (const int stages : {1, 2, 3, 4, 8})
    for (const int batches : {stages, stages + 1, 2 * stages})
      for (const int steps : {1, 4, 28})
        EXPECT_NEAR(idle(stages, batches, Steps(batches, steps)),
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
    const auto found = idle(row.stages, row.in_flight, Steps(row.images, row.steps));
    EXPECT_NEAR(100 * found, row.percent, row.percent < 10 ? 0.005 : 0.05)
        << row.stages << " stages, " << row.in_flight << " in flight";
  }
}

// Batches of other lengths follow each other without a gap: a dataset keeps every stage busy.
TEST(Bubble, OfALongDatasetOfAnyStepsTendsToNothing) {
  Steps steps;
  for (int i = 0; i < 200; ++i) steps.push_back(1 + i * 7 % 28);
  EXPECT_LT(idle(4, 4, steps), 0.02);
  EXPECT_LT(idle(4, 6, steps), 0.02);
}

TEST(Bubble, TransfersHideBehindOtherBatches) {
  auto costs = forward_only();
  costs.transfer = [](int, const Op&) { return 0.9; };
  const auto slow = [&](int in_flight) {
    const auto roles = pipeline(4);
    return simulate(roles, make_programs(roles, in_flight, Steps(64, 20)), costs).bubble();
  };
  EXPECT_GT(slow(4), 0.4);   // a batch is back only after 4 x 1.9
  EXPECT_LT(slow(8), 0.01);  // meanwhile others are on their way
}

TEST(Trace, IsReadByChrome) {
  const auto trace = simulate(pipeline(2), make_programs(pipeline(2), 1, {1}), forward_only());
  EXPECT_DOUBLE_EQ(trace.seconds(), 2);
  const auto json = to_chrome_json({{"predicted", trace}});
  EXPECT_NE(json.find(R"("name":"forward batch 0 step 0","pid":0,"tid":1,"ts":1000000.000)"),
            std::string::npos)
      << json;
}

}  // namespace
}  // namespace trireme
