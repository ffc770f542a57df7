// A communicator of ours: made from an id that travels over the bootstrap, non-blocking, under the
// watchdog's eyes from its first moment. NcclWorld is what all groups of this process share.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "parallel/transport.h"
#include "parallel/transports/nccl_library.h"
#include "parallel/transports/nccl_watchdog.h"
#include "parallel/transports/place.h"

namespace trireme {

struct NcclWorld {
  NcclWorld(std::shared_ptr<NcclLibrary> library, std::string who, TransportOptions options,
            EndRank end)
      : library(std::move(library)),
        place(std::move(who)),
        watchdog(this->library, place, options.deadline, std::move(end)) {}

  const std::shared_ptr<NcclLibrary> library;
  Place place;  // "[nccl] rank 2 of 4 (host, cuda:1)"
  Traffic traffic;
  NcclWatchdog watchdog;  // ends before what it looks at
};

class NcclCommunicator {
 public:
  // Collective over `bootstrap`.
  NcclCommunicator(std::shared_ptr<NcclWorld> world, Transport& bootstrap);
  ~NcclCommunicator();
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  NcclComm get() const { return comm_; }
  // Queues what `calls` asks of the library, as one operation, on `stream`. The host goes on; it
  // only waits for links that are made at first use.
  std::shared_ptr<NcclOperation> queue(NcclOperation operation, DeviceStream stream,
                                       const std::function<void()>& calls);

 private:
  // After a call of the library: until it has really been made.
  void settle(NcclAnswer answer, const std::shared_ptr<NcclOperation>& operation);

  std::shared_ptr<NcclWorld> world_;
  NcclComm comm_ = nullptr;
};

}  // namespace trireme
