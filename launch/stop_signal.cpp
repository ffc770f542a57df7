#include "launch/stop_signal.h"

#include <initializer_list>
#include <utility>

namespace trireme {
namespace {

constexpr timespec kBetweenLooks{.tv_sec = 0, .tv_nsec = 50'000'000};

}  // namespace

StopSignal::StopSignal() {
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&signals_, signal);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  watcher_ = std::thread([this] { watch(); });
}

StopSignal::~StopSignal() {
  if (!watcher_.joinable()) return;
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  stop_watching();
}

void StopSignal::let_go() {
  if (watcher_.joinable()) stop_watching();
}

void StopSignal::stop_watching() {
  over_ = true;
  watcher_.join();
  std::signal(SIGUSR1, SIG_IGN);
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

void StopSignal::watch() {
  bool told_to_end = false;
  while (!over_) {
    const int signal = sigtimedwait(&signals_, nullptr, &kBetweenLooks);
    if (signal <= 0) continue;
    if (received_ == 0) received_ = signal;
    if (signal == SIGUSR1 || !std::exchange(told_to_end, true)) continue;
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
    raise(signal);  // the default: the process ends
  }
}

}  // namespace trireme
