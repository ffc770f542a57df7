// Lanes: what the ranks of all replicas did when, gathered, and beside it what a schedule without
// noise would have made of the same costs.
#pragma once

#include <string>
#include <vector>

#include "parallel/group.h"
#include "parallel/schedule/program.h"
#include "parallel/schedule/trace.h"
#include "src/report/report.h"

namespace trireme {

// Collective: every rank's lane, in their order, on all of them.
Trace gather_lanes(const Group& world, const std::vector<Span>& mine);

struct ReplicaLanes {
  Roles roles;
  int in_flight = 1;
  Trace measured;
  // The same batches with each operation at the mean of what it took on its rank: what is left of
  // the difference are transfers, and operations that took now more and now less.
  Trace predicted;
};

// Replicas are equal runs of ranks with these roles.
std::vector<ReplicaLanes> lanes_of_replicas(const Trace& world, const Roles& roles, int in_flight);

ScheduleReport schedule_report(const ReplicaLanes& lanes, int replica);
// Both traces of every replica in Chrome's format.
std::string to_chrome_json(const std::vector<ReplicaLanes>& replicas);

}  // namespace trireme
