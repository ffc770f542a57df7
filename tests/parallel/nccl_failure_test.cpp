// NCCL's transport over the stand-in: that the host goes on, and what ends a rank whose device
// waits for ever.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "parallel/error.h"
#include "parallel/group.h"
#include "tests/support/nccl_stand_in.h"
#include "tests/support/run_command.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Ranks = std::function<void(const std::shared_ptr<Transport>&)>;

constexpr bool kHostGoesOn = true;
constexpr auto kPatience = std::chrono::seconds(20);

bool comes_true(const std::function<bool()>& condition) {
  const auto until = Clock::now() + kPatience;
  while (!condition() && Clock::now() < until) std::this_thread::sleep_for(milliseconds(1));
  return condition();
}

void wait_for(const std::atomic<bool>& flag) {
  EXPECT_TRUE(comes_true([&] { return flag.load(); }));
}

void unexpected_end(Exit exit) {
  ADD_FAILURE() << "the watchdog ended a rank with " << static_cast<int>(exit);
}

TEST(NcclHost, GoesOnWhileTheDeviceWaits) {
  std::atomic<bool> went_on = false;
  run_nccl_ranks(2, NcclStandIn(kHostGoesOn), [&](const auto& transport) {
    if (transport->rank() == 1) wait_for(went_on);
    auto x = at::full({3}, 1.0 + transport->rank());
    transport->all_reduce(x);
    went_on = true;
    transport->barrier();
    expect_same_bits(x, at::full({3}, 3.0));
  });
}

// wait() has the stream wait: what is queued after it finds what came.
TEST(NcclHost, DoesNotWaitForATransferEither) {
  std::atomic<bool> went_on = false;
  run_nccl_ranks(2, NcclStandIn(kHostGoesOn), [&](const auto& transport) {
    transport->connect({{1, 0}});
    auto x = at::full({3}, 5.0 * transport->rank());
    if (transport->rank() == 0) {
      const auto arrives = transport->start_receive(x, 1);
      EXPECT_FALSE(arrives->ready());
      arrives->wait();
      went_on = true;
    } else {
      wait_for(went_on);
      transport->start_send(x, 0)->wait();
    }
    transport->all_reduce(x);
    transport->barrier();
    expect_same_bits(x, at::full({3}, 10.0));
  });
}

// What is sent must be made by then: the line waits for the current stream.
TEST(NcclHost, ATransferComesAfterWhatTheCurrentStreamHasMade) {
  std::atomic<bool> posted = false;
  run_nccl_ranks(2, NcclStandIn(kHostGoesOn), [&](const auto& transport) {
    transport->connect({{0, 1}});
    auto x = at::full({3}, 2.0), got = at::zeros({3});
    if (transport->rank() == 1) wait_for(posted);
    transport->all_reduce(x);  // ends when rank 1 comes, and so later than the send is posted
    if (transport->rank() == 0) transport->start_send(x, 1);
    posted = true;
    if (transport->rank() == 1) transport->start_receive(got, 0)->wait();
    transport->barrier();
    if (transport->rank() == 1) expect_same_bits(got, at::full({3}, 4.0));
  });
}

TEST(NcclHost, ATransferThatNobodyHoldsKeepsItsTensor) {
  std::atomic<bool> looked = false;
  run_nccl_ranks(2, NcclStandIn(kHostGoesOn), [&](const auto& transport) {
    transport->connect({{0, 1}});
    auto x = at::full({3}, 2.0);
    if (transport->rank() == 0) {
      transport->start_send(x, 1);
      EXPECT_EQ(x.use_count(), 2u);
      looked = true;
      EXPECT_TRUE(comes_true([&] { return x.use_count() == 1; }));
    } else {
      wait_for(looked);
      transport->start_receive(x, 0)->wait();
    }
    transport->barrier();
  });
}

TEST(NcclHost, WaitsForACommunicatorThatTakesAWhile) {
  NcclStandIn machine;
  machine.set({.init_takes = milliseconds(100)});
  run_nccl_ranks(2, machine, [](const auto& transport) {
    EXPECT_FLOAT_EQ(Group(transport).all_reduce(at::ones({1})).template item<float>(), 2);
  });
}

// Together they take longer than the deadline, but each from its turn on less.
TEST(NcclWatchdog, TheDeadlineCountsFromAnOperationsTurn) {
  run_nccl_ranks(
      2, NcclStandIn(kHostGoesOn),
      [](const auto& transport) {
        std::vector<at::Tensor> x(3, at::ones({1}));
        for (auto& each : x) {
          if (transport->rank() == 1) std::this_thread::sleep_for(milliseconds(350));
          transport->all_reduce(each);
        }
        transport->barrier();
      },
      {.deadline = milliseconds(600)}, unexpected_end);
}

// How the first of two ranks ended whose hosts are elsewhere.
struct Ending {
  Exit exit = Exit::kDone;
  std::string text;
  double seconds = 0;
};

Ending ending_of(const NcclStandIn& machine, const Ranks& body) {
  Ending ending;
  std::promise<void> promise;
  const auto ended = promise.get_future().share();
  std::atomic<bool> first = true;
  const auto end = [&](Exit exit) {
    if (!first.exchange(false)) return;
    ending.exit = exit;
    promise.set_value();
  };
  const auto begin = Clock::now();
  testing::internal::CaptureStderr();
  try {
    run_nccl_ranks(
        2, machine,
        [&](const auto& transport) {
          transport->connect({{1, 0}});
          transport->barrier();
          body(transport);
          EXPECT_EQ(ended.wait_for(kPatience), std::future_status::ready) << "nobody ended it";
        },
        {.deadline = milliseconds(500)}, end);
  } catch (const Error& error) {
    ADD_FAILURE() << "a host waited: " << error.what();
  }
  ending.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  ending.text = testing::internal::GetCapturedStderr();
  return ending;
}

// The other one does not take part.
Ending ending_of_rank_zero(const NcclStandIn& machine, const Ranks& body) {
  return ending_of(machine, [&](const auto& transport) {
    if (transport->rank() == 0) body(transport);
  });
}

void expect_text(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
}

TEST(NcclWatchdog, ACollectiveThatAnotherRankDoesNotJoinEndsTheRank) {
  NcclStandIn machine(kHostGoesOn);
  auto x = at::ones({1024});
  const auto ending = ending_of_rank_zero(machine, [&](const auto& transport) {
    transport->note("stage 1, batch 3, step 7");
    transport->all_reduce(x);
  });
  EXPECT_EQ(ending.exit, Exit::kTryElsewhere);
  EXPECT_LT(ending.seconds, 5);
  EXPECT_EQ(ending.text.find("[nccl] rank 0 of 2 ("), 0u) << ending.text;
  expect_text(ending.text,
              ", cpu): stage 1, batch 3, step 7: all_reduce on 2 ranks waited 0.5 s -> "
              "every rank of the group must take part -> another rank died or hangs\n");
  expect_text(ending.text, "its last operations, oldest first:\n");
  expect_text(ending.text, "all_reduce, 2 ranks, 4096 bytes, 0.5");
  expect_text(ending.text, " s ago, under way\n");
}

TEST(NcclWatchdog, AReceiveThatNobodySendsNamesThePeer) {
  NcclStandIn machine(kHostGoesOn);
  auto x = at::ones({4});
  const auto ending =
      ending_of_rank_zero(machine, [&](const auto& transport) { transport->start_receive(x, 1); });
  expect_text(ending.text, "receive waited 0.5 s for rank 1 -> ");
}

// The device hangs although all take part.
TEST(NcclWatchdog, AnOperationThatNeverEndsEndsTheRank) {
  NcclStandIn machine(kHostGoesOn);
  std::vector<at::Tensor> x(2, at::ones({4}));
  const auto ending = ending_of(machine, [&](const auto& transport) {
    machine.set({.operations_hang = true});
    transport->all_reduce(x[transport->rank()]);
  });
  EXPECT_EQ(ending.exit, Exit::kTryElsewhere);
  expect_text(ending.text, "all_reduce on 2 ranks waited 0.5 s -> ");
}

TEST(NcclWatchdog, ABrokenLinkEndsTheRankAtOnce) {
  NcclStandIn machine(kHostGoesOn);
  auto x = at::ones({4});
  const auto ending = ending_of_rank_zero(machine, [&](const auto& transport) {
    transport->all_reduce(x);
    machine.set({.link_error = "unhandled system error: NET/IB: port is down"});
  });
  EXPECT_EQ(ending.exit, Exit::kTryElsewhere);
  expect_text(ending.text,
              "all_reduce on 2 ranks failed: unhandled system error: NET/IB: port is "
              "down -> GPUs that reach each other -> a rank died, or a link or a GPU "
              "is broken");
}

TEST(NcclWatchdog, AnAbortThatHangsKeepsNobody) {
  NcclStandIn machine(kHostGoesOn);
  auto x = at::ones({4});
  const auto ending = ending_of_rank_zero(machine, [&](const auto& transport) {
    machine.set({.abort_hangs = true});
    transport->all_reduce(x);
  });
  machine.set({});
  EXPECT_EQ(ending.exit, Exit::kTryElsewhere);
  EXPECT_GT(ending.seconds, 3);
  EXPECT_LT(ending.seconds, 9);
}

TEST(NcclWatchdog, TheRingHoldsTheLastEvents) {
  NcclStandIn machine(kHostGoesOn);
  std::vector<at::Tensor> x(40, at::ones({1}));
  const auto ending = ending_of_rank_zero(machine, [&](const auto& transport) {
    for (auto& each : x) transport->all_reduce(each);
  });
  EXPECT_EQ(ending.text.find("  #12 "), std::string::npos) << ending.text;
  expect_text(ending.text, "  #13 all_reduce, 2 ranks, 4 bytes, 0.5");
  expect_text(ending.text, "  #44 all_reduce");
  expect_text(ending.text, " s ago, queued\n");
}

// The real end, of a process.
TEST(NcclWatchdog, EndsTheProcessItself) {
  for (const auto how : {"absent", "hangs"}) {
    const auto ending = run_command(fmt::format("{} {}", TRIREME_NCCL_FAILURE, how));
    EXPECT_EQ(ending.code, 75) << ending.text;
    EXPECT_LT(ending.seconds, 10);
    expect_text(ending.text, "[nccl] rank 0 of 2 (");
    expect_text(ending.text, "all_reduce on 2 ranks waited 0.5 s -> ");
  }
}

// A host that waits here tells it itself: as an error, with the exit code of one.
std::string error_of(NcclStandIn& machine, Exit exit, const Ranks& body) {
  testing::internal::CaptureStderr();
  std::string what = "no error";
  try {
    run_nccl_ranks(2, machine, body, {.deadline = milliseconds(500)}, unexpected_end);
  } catch (const Error& error) {
    what = error.what();
    EXPECT_EQ(error.exit(), exit) << what;
  }
  expect_text(testing::internal::GetCapturedStderr(), "its last operations, oldest first:\n");
  return what;
}

TEST(NcclError, OfAHostThatWaitsForTheDevice) {
  NcclStandIn machine(kHostGoesOn);
  auto x = at::ones({4});
  const auto what = error_of(machine, Exit::kUnavailable, [&](const auto& transport) {
    if (transport->rank() == 1) return std::this_thread::sleep_for(milliseconds(1500));
    transport->note("step 7");
    transport->all_reduce(x);
    transport->barrier();
  });
  expect_text(what, ", cpu): step 7: all_reduce on 2 ranks waited 0.5 s -> ");
}

TEST(NcclError, OfATransferThatIsWaitedFor) {
  NcclStandIn machine;
  const auto what = error_of(machine, Exit::kUnavailable, [](const auto& transport) {
    transport->connect({{1, 0}});
    if (transport->rank() == 1) return std::this_thread::sleep_for(milliseconds(1500));
    auto x = at::ones({4});
    transport->start_receive(x, 1)->wait();
  });
  expect_text(what, "receive waited 0.5 s for rank 1 -> ");
}

TEST(NcclError, OfABrokenLinkWhileTheHostWaits) {
  NcclStandIn machine;
  const auto what = error_of(machine, Exit::kTryElsewhere, [&](const auto& transport) {
    if (transport->rank() == 1) {
      std::this_thread::sleep_for(milliseconds(100));
      return machine.set({.link_error = "port is down"});
    }
    auto x = at::ones({4});
    transport->all_reduce(x);
  });
  expect_text(what, "all_reduce on 2 ranks failed: port is down -> ");
}

TEST(NcclError, OfACommunicatorThatNeverStarts) {
  NcclStandIn machine;
  machine.set({.init_never_ends = true});
  const auto what = error_of(machine, Exit::kUnavailable, [](const auto&) { FAIL(); });
  expect_text(what, ": start on 2 ranks waited 0.5 s -> ");
}

// Afterwards nothing is begun any more: each call says what happened.
TEST(NcclError, IsSaidAgainByLaterCalls) {
  NcclStandIn machine;
  std::string again;
  error_of(machine, Exit::kUnavailable, [&](const auto& transport) {
    if (transport->rank() == 1) return std::this_thread::sleep_for(milliseconds(1500));
    auto x = at::ones({4});
    EXPECT_THROW(transport->all_reduce(x), Error);
    try {
      transport->broadcast(x, 0);
    } catch (const Error& error) {
      again = error.what();
      throw;
    }
  });
  expect_text(again, "all_reduce on 2 ranks waited 0.5 s -> ");
}

}  // namespace
}  // namespace trireme
