// simulate: the programs of all ranks run on costs instead of tensors.
#pragma once

#include <functional>
#include <vector>

#include "parallel/schedule/program.h"
#include "parallel/schedule/trace.h"

namespace trireme {

struct Costs {
  // Seconds that a rank computes for an operation that sends and receives nothing.
  std::function<double(int rank, const Op& op)> compute;
  // Seconds from a send or gift until the other rank has it all; the sender goes on meanwhile.
  std::function<double(int rank, const Op& send)> transfer = [](int, const Op&) { return 0.0; };
};

// When each rank does what, if a rank never waits but for what it receives, and for those it works
// together with. Error (kBug) names the rank and the operation if the programs do not fit together:
// if a rank waits for ever, gets another message than it takes, or is sent one that it never takes.
Trace simulate(const Roles& roles, const std::vector<Program>& programs, const Costs& costs);

// The same without costs.
void check_programs(const Roles& roles, const std::vector<Program>& programs);

}  // namespace trireme
