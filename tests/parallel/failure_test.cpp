// What happens to the others when a rank fails or does not come.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "parallel/error.h"
#include "tests/support/run_ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string error_of(const std::function<void()>& action, Exit exit) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), exit) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(Failure, ARankThatThrowsReleasesTheOthers) {
  const auto begin = steady_clock::now();
  std::string seen_by_one;
  EXPECT_THROW(run_ranks(3,
                         [&](Group world) {
                           if (world.rank() == 2) {
                             throw Error(Exit::kBadData, "[weights] a.safetensors is cut short");
                           }
                           try {
                             world.all_reduce(at::ones({3}));
                           } catch (const Error& error) {
                             if (world.rank() == 1) seen_by_one = error.what();
                             throw;
                           }
                         }),
               Error);
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_EQ(seen_by_one,
            "[threads] rank 1 of 3: all_reduce was broken off -> every rank must go on -> rank 2 "
            "stopped: [weights] a.safetensors is cut short");
}

TEST(Failure, TheFirstErrorIsTheOneReported) {
  const auto what = error_of(
      [] {
        run_ranks(4, [](Group world) {
          if (world.rank() == 3) throw Error(Exit::kInputOutput, "[disk] full");
          world.barrier();
        });
      },
      Exit::kInputOutput);
  EXPECT_EQ(what, "[disk] full");
}

TEST(Failure, TheDeadlineNamesWhoDidNotCome) {
  const auto what = error_of(
      [] {
        run_ranks(
            4,
            [](Group world) {
              if (world.rank() == 2) return;  // hangs, as far as the others can tell
              world.all_gather(at::ones({1}), 0);
            },
            milliseconds(200));
      },
      Exit::kUnavailable);
  EXPECT_NE(
      what.find("all_gather waited 0.2 s for rank 2 -> every rank of the group must take part"),
      std::string::npos)
      << what;
}

TEST(Failure, AReceiveWithoutASendEnds) {
  const auto what = error_of(
      [] {
        run_ranks(
            2,
            [](Group world) {
              if (world.rank() == 0) world.receive(at::empty({1}), 1);
            },
            milliseconds(100));
      },
      Exit::kUnavailable);
  EXPECT_NE(what.find("rank 0 of 2: receive waited 0.1 s for rank 1"), std::string::npos) << what;
}

// In a group of two of a world of four, ranks are named by their number in the world.
TEST(Failure, GroupsNameRanksOfTheWorld) {
  const auto what = error_of(
      [] {
        run_ranks(
            4,
            [](Group world) {
              const auto pair = world.split(world.rank() / 2, world.rank());
              if (world.rank() == 2) pair.barrier();
            },
            milliseconds(100));
      },
      Exit::kUnavailable);
  EXPECT_NE(what.find("rank 2 of 4: barrier waited 0.1 s for rank 3"), std::string::npos) << what;
}

// Noted on the world, told by a group that was split from it before.
TEST(Failure, ErrorsBeginWithWhatTheRankIsAt) {
  const auto what = error_of(
      [] {
        run_ranks(
            4,
            [](Group world) {
              const auto pair = world.split(world.rank() / 2, world.rank());
              world.note(fmt::format("stage {}, batch 3, step 7", world.rank()));
              if (world.rank() == 2) pair.receive(at::empty({1}), 1);
            },
            milliseconds(100));
      },
      Exit::kUnavailable);
  EXPECT_NE(what.find("[threads] rank 2 of 4: stage 2, batch 3, step 7: receive waited 0.1 s for "
                      "rank 3 -> "),
            std::string::npos)
      << what;
}

TEST(Failure, RanksThatRunDifferentProgramsAreTold) {
  const auto what = error_of(
      [] { run_ranks(2, [](Group world) { world.all_reduce(at::ones({2 + world.rank()})); }); },
      Exit::kBug);
  EXPECT_NE(what.find("the ranks run different programs"), std::string::npos) << what;
}

TEST(Failure, AGroupOfOneHasNobodyToSendTo) {
  const auto what = error_of([] { Group().send(at::ones({1}), 1); }, Exit::kBug);
  EXPECT_NE(what.find("send in a group of one"), std::string::npos) << what;
}

TEST(Failure, AGatherChecksItsSplit) {
  error_of(
      [] { run_ranks(2, [](Group world) { world.all_gather(at::ones({3}), 0, Split(4, 2)); }); },
      Exit::kBug);
}

}  // namespace
}  // namespace trireme
