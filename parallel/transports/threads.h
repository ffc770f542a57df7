// Ranks as threads of one process: for tests, and the plainest example of what a transport does.
// Each thread takes one of the transports; they share one lock. Sums run in rank order.
#pragma once

#include <memory>
#include <vector>

#include "parallel/transport.h"

namespace trireme {

std::vector<std::shared_ptr<Transport>> thread_transports(int ranks, TransportOptions options = {});

}  // namespace trireme
