// simulate: the programs of all stages run on costs instead of tensors.
#pragma once

#include <functional>
#include <vector>

#include "parallel/schedule/program.h"
#include "parallel/schedule/trace.h"

namespace trireme {

struct Costs {
  // Seconds that a stage computes for an operation that is neither send nor receive.
  std::function<double(int stage, const Op& op)> compute;
  // Seconds from a send until the peer has it all; the sender goes on meanwhile.
  std::function<double(int stage, const Op& send)> transfer = [](int, const Op&) { return 0.0; };
};

// When each stage does what, if a stage never waits but for what it receives.
Trace simulate(const std::vector<Program>& programs, const Costs& costs);

}  // namespace trireme
