// StopSignal: while it lives, SIGINT, SIGTERM and SIGUSR1 are remembered instead of ending the
// process, so that the work can stop at the next step with everything written whole. A second one
// ends at once. Of these mpirun hands on SIGUSR1 alone without ending the ranks itself a moment
// later.
#pragma once

namespace trireme {

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // The signal that came, or 0.
  static int received();
};

}  // namespace trireme
