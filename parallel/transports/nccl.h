// Tensors on GPUs over NCCL. An operation is queued on the current stream, a transfer on a stream
// beside it, and the host goes on; a watchdog (nccl_watchdog.h) ends what does not end by itself.
// After wait() the current stream, not the host, has waited. Host tensors go over the bootstrap.
// Written over NcclLibrary, so that all of it runs in tests without a GPU.
#pragma once

#include <memory>

#include "parallel/transport.h"
#include "parallel/transports/nccl_library.h"
#include "parallel/transports/nccl_watchdog.h"

namespace trireme {

// _exit: no destructor runs, as one might wait for the device.
[[noreturn]] void end_process(Exit exit);

// Collective over `bootstrap`, whose ranks take part with the device of their `library`.
std::shared_ptr<Transport> nccl_world(std::shared_ptr<Transport> bootstrap,
                                      std::shared_ptr<NcclLibrary> library,
                                      TransportOptions options, EndRank end = end_process);

}  // namespace trireme
