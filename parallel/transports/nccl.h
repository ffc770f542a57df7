// Tensors on GPUs over NCCL; lives in libtrireme_cuda.so. Communicators are made from ids that
// travel over the bootstrap transport, non-blocking; every wait polls the stream, the
// communicator's own error and a deadline, so that no rank hangs in the driver. Host tensors go
// over the bootstrap.
#pragma once

#include <memory>

#include "parallel/transport.h"

namespace trireme {

// Collective over `bootstrap`.
std::shared_ptr<Transport> nccl_world(std::shared_ptr<Transport> bootstrap, int device,
                                      TransportOptions options);

}  // namespace trireme
