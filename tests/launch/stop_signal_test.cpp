// What a signal does to a process: each in one of its own.
#include "launch/stop_signal.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <thread>

namespace trireme {
namespace {

constexpr int kAsItSaid = 85;

void wait_for(const StopSignal& stop, int signal) {
  while (stop.received() != signal) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(StopSignal, IsRememberedAndOneWishIsEnough) {
  const auto process = [] {
    const StopSignal stop;
    kill(getpid(), SIGUSR1);
    wait_for(stop, SIGUSR1);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGTERM);  // the first of its kind
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    std::exit(stop.received() == SIGUSR1 ? kAsItSaid : 1);
  };
  EXPECT_EXIT(process(), testing::ExitedWithCode(kAsItSaid), "");
}

TEST(StopSignal, ASecondOneEndsTheProcess) {
  const auto process = [] {
    const StopSignal stop;
    kill(getpid(), SIGTERM);
    wait_for(stop, SIGTERM);
    kill(getpid(), SIGTERM);
    std::this_thread::sleep_for(std::chrono::seconds(20));
    std::exit(1);
  };
  EXPECT_EXIT(process(), testing::KilledBySignal(SIGTERM), "");
}

// As srun -K1 sends it to the other ranks when the first one has ended.
TEST(StopSignal, ChangesNothingOnceAllIsDone) {
  const auto process = [] {
    { const StopSignal stop; }
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) kill(getpid(), signal);
    std::exit(kAsItSaid);
  };
  EXPECT_EXIT(process(), testing::ExitedWithCode(kAsItSaid), "");
}

TEST(StopSignal, EndsAProcessThatFailed) {
  const auto process = [] {
    StopSignal stop;
    stop.let_go();
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGTERM);
    std::exit(1);
  };
  EXPECT_EXIT(process(), testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace trireme
