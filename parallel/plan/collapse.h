// A replica with one rank in place of all that do the same at the same time: what a simulation need
// look at. One rank stands for itself.
#pragma once

#include <vector>

#include "parallel/plan/cluster.h"
#include "parallel/plan/layout.h"
#include "parallel/plan/workload.h"

namespace trireme {

// What the ranks of a replica do in this job, which may go only a part of the way.
Roles roles_for(const Layout& layout, const Workload& workload);

struct Collapsed {
  Roles roles;
  std::vector<int> ranks;  // of the replica, that each of them stands for
};
Collapsed collapsed(const Layout& layout, const Workload& workload);

// Ranks of a replica that need looking at: of those that hold alike the one that holds most.
std::vector<int> distinct_ranks(const Layout& layout, const Workload& workload);

// The first rank in the cluster of each replica that needs looking at: the first stands for all,
// unless devices differ or replicas lie otherwise on their nodes.
std::vector<int> distinct_replicas(const Layout& layout, const Cluster& cluster);

}  // namespace trireme
