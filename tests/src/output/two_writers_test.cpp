// Two processes on one output folder, in many orders of their calls: both end well, with the bytes
// that one alone makes. Claims only save work: a writer that is held up is taken over while it
// lives.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "parallel/error.h"
#include "tests/src/output/survival.h"
#include "tests/src/output/turns.h"

namespace trireme {
namespace {

// Writers of another host, as far as anyone can tell.
Program writer(Survival& survival, const std::string& name, bool may_die = false) {
  return [&survival, name, may_die](FileSystem& files) {
    try {
      run(survival.job(), files, name);
    } catch (const Error& error) {
      if (!may_die) survival.problem(name + ": " + error.what());
    }
  };
}

void run_both(Survival& survival, const TurnOptions& options) {
  auto disk = survival.nothing();
  disk.watch([&](const ModelDisk& now, const std::string& path) {
    if (is_visible(path)) survival.check_so_far(now);
  });
  const bool kills = options.kill_first_at >= 0;
  take_turns(disk, {writer(survival, "there-1-1", kills), writer(survival, "here-2-2")}, options);
  disk.watch({});
  survival.check_done(disk);
  disk.restart();
  survival.settle(disk);  // nothing is left when the next run ends
}

std::string listed(const Survival& survival) {
  std::string text;
  for (const auto& problem : survival.problems()) text += problem + "\n";
  return text;
}

class TwoWritersTest : public testing::TestWithParam<bool> {
 protected:
  // Of one shard, so that they are always in each other's way.
  SmallJob tiny() const { return {.is_tar = GetParam(), .indices = {0, 1}, .portion = 1}; }
};

// The first goes on until some call, the second until some other, then each to its end.
TEST_P(TwoWritersTest, EachHeldUpOnceAnywhere) {
  constexpr std::int64_t kStep = 12;
  Survival survival(tiny());
  const auto calls = survival.calls_from(survival.nothing());
  for (std::int64_t first = 0; first < calls; ++first)
    for (auto second = first % kStep; second < calls; second += kStep) {
      survival.set_context(fmt::format("first until {}, second for {}", first, second));
      run_both(survival, {.schedule = [=](std::int64_t at) {
                 return at < first || at >= first + second ? std::size_t{0} : std::size_t{1};
               }});
    }
  EXPECT_TRUE(survival.problems().empty()) << listed(survival);
}

TEST_P(TwoWritersTest, InAnyOrderAndOneKilled) {
  Survival survival({.is_tar = GetParam()});
  const auto calls = survival.calls_from(survival.nothing());
  for (unsigned seed = 0; seed < 200; ++seed) {
    survival.set_context(fmt::format("seed {}", seed));
    auto random = std::make_shared<std::mt19937>(seed);
    auto turn = std::make_shared<std::size_t>(seed % 2);
    const auto schedule = [=](std::int64_t) {
      if ((*random)() % 8 == 0) *turn = 1 - *turn;
      return *turn;
    };
    const auto kill = seed % 2 == 0 ? -1 : static_cast<std::int64_t>((*random)()) % calls;
    run_both(survival, {.schedule = schedule, .kill_first_at = kill});
  }
  EXPECT_TRUE(survival.problems().empty()) << listed(survival);
}

INSTANTIATE_TEST_SUITE_P(Containers, TwoWritersTest, testing::Bool(),
                         [](const auto& is_tar) { return is_tar.param ? "Tar" : "Files"; });

}  // namespace
}  // namespace trireme
