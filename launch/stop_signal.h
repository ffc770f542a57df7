// StopSignal: while it lives, SIGINT, SIGTERM and SIGUSR1 are remembered instead of ending the
// process, so that the work can stop at the next step with everything written whole. A second
// SIGINT or SIGTERM ends at once; SIGUSR1 is a wish however often it comes, as Slurm and a batch
// script may both tell a rank to stop. Of these mpirun and srun hand on SIGUSR1 alone without
// ending the ranks themselves a moment later.
#pragma once

#include <atomic>
#include <csignal>
#include <thread>

namespace trireme {

// A thread waits for the signals, which all others block: a handler would run in the middle of a
// kernel, and oneDNN's keep numbers below the stack pointer, where its frame would be laid.
class StopSignal {
 public:
  // Before any other thread is started, since threads inherit what is blocked.
  StopSignal();
  ~StopSignal() { let_go(); }
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // The signal that came first, or 0.
  int received() const { return received_; }
  // From here on signals end the process, but for SIGUSR1, whose wish is fulfilled.
  void let_go();

 private:
  void watch();

  sigset_t signals_;
  std::atomic<int> received_ = 0;
  std::atomic<bool> over_ = false;
  std::thread watcher_;
};

}  // namespace trireme
