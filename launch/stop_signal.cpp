#include "launch/stop_signal.h"

#include <csignal>

namespace trireme {
namespace {

// The one thing that a signal handler may touch.
volatile std::sig_atomic_t last_signal = 0;

void remember(int signal) {
  last_signal = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() {
  std::signal(SIGINT, remember);
  std::signal(SIGTERM, remember);
  std::signal(SIGUSR1, remember);
}

StopSignal::~StopSignal() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGUSR1, SIG_DFL);
}

int StopSignal::received() {
  return last_signal;
}

}  // namespace trireme
