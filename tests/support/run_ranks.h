// run_ranks: a parallel test in one line. Runs the body once a rank, each rank a thread with
// inference mode on; a rank that throws ends the others, and its error is thrown here.
//   run_ranks(4, [&](Group world) { expect_close(layer_on(world)(x), whole); });
#pragma once

#include <chrono>
#include <functional>

#include "parallel/group.h"

namespace trireme {

void run_ranks(int ranks, const std::function<void(Group)>& body,
               std::chrono::milliseconds deadline = std::chrono::seconds(20));
// As above for a transport that stands on this one.
void run_transports(int ranks, const std::function<void(const std::shared_ptr<Transport>&)>& body,
                    std::chrono::milliseconds deadline = std::chrono::seconds(20));

}  // namespace trireme
