// NcclStandIn: NCCL and CUDA played by host memory and threads, for ranks that are threads of one
// process. A stream is a thread that really carries out what it was given, later. As with NCCL,
// communicators work off their operations in order whatever the stream, a send is done when it is
// received, and a first transfer goes on in the background until both ends have asked for it. What
// can go wrong with GPUs goes wrong here when a test says so.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "parallel/transport.h"
#include "parallel/transports/nccl.h"

namespace trireme {

struct NcclFaults {
  std::chrono::milliseconds init_takes{0};
  bool init_never_ends = false;
  bool operations_hang = false;  // those that begin from now on
  bool abort_hangs = false;      // until it is taken back
  std::string link_error = {};   // of every communicator
};

class NcclStandIn {
 public:
  // host_goes_on: as on a GPU the host does not wait for streams, so that a test must not look at a
  // tensor that is still written to. Else the transport waits, as what the host does next to a
  // tensor of the host does not queue.
  explicit NcclStandIn(bool host_goes_on = false);

  void set(const NcclFaults& faults);
  std::shared_ptr<NcclLibrary> library() const;  // another one for each rank

 private:
  class Machine;
  class Library;

  std::shared_ptr<Machine> machine_;
  bool host_goes_on_;
};

// Runs the body once a rank, each rank a thread, over NCCL's stand-in.
void run_nccl_ranks(int ranks, const NcclStandIn& machine,
                    const std::function<void(const std::shared_ptr<Transport>&)>& body,
                    TransportOptions options = {.deadline = std::chrono::seconds(20)},
                    EndRank end = end_process);

}  // namespace trireme
