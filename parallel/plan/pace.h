// Pace: how fast a replica goes through the batches of a job, from its programs run on costs. Of a
// job of many batches the beginning, the middle and the end are simulated and the rest is drawn out
// at the pace of the middle.
#pragma once

#include "parallel/plan/collapse.h"
#include "parallel/plan/cost.h"

namespace trireme {

struct Pace {
  double total = 0;      // seconds of all batches of a replica
  double per_batch = 0;  // seconds between two batches, under way
  double bubble = 0;     // of the transformer's ranks' time
};

// Batches that each replica makes.
int64_t batches_of(const Shape& shape, const Layout& layout);

// Batches one after the other, of a replica as it is simulated.
Trace run_on_costs(const Collapsed& replica, const OperationCosts& costs, int64_t batches,
                   int64_t steps);

// Loading is counted where it happens again and again (Offload::kStaged).
Pace pace_of(const Workload& workload, const Shape& shape, const Layout& layout,
             const OperationCosts& costs, const Collapsed& replica);

// Of the rank that reads longest.
double slowest_load(const OperationCosts& costs, const Layout& layout);

}  // namespace trireme
