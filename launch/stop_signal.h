// StopSignal: while it lives, SIGINT and SIGTERM are remembered instead of ending the process, so that
// the work can stop at the next step with everything written whole. A second signal ends at once.
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
