// StopSignal: while it lives, SIGINT, SIGTERM and SIGUSR1 are remembered instead of ending the
// process, so that the work can stop at the next step with everything written whole. A second
// SIGINT or SIGTERM ends at once; SIGUSR1 is a wish however often it comes, as Slurm and a batch
// script may both tell a rank to stop. Of these mpirun and srun hand on SIGUSR1 alone without
// ending the ranks themselves a moment later. When it is gone all of them are ignored: what is left
// of the process takes a moment, and a launcher that ends the other ranks as soon as one has said
// 85 (srun -K1) shall hear the same of each.
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
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // The signal that came first, or 0.
  int received() const { return received_; }
  // Of a process that failed, which may take long to end: signals do end it from here on, but for
  // SIGUSR1, whose wish is fulfilled.
  void let_go();

 private:
  void watch();
  void stop_watching();

  sigset_t signals_;
  std::atomic<int> received_ = 0;
  std::atomic<bool> over_ = false;
  std::thread watcher_;
};

}  // namespace trireme
