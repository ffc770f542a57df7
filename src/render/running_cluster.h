// running_cluster: the machines on which this world runs, as a planner sees them: how many ranks
// each host has and what they may hold. Rates are those of a calibration (`trireme bench
// --calibrate`), or else what is known of such devices.
#pragma once

#include <optional>

#include "parallel/plan/cluster.h"
#include "src/render/machine.h"

namespace trireme {

// Collective over the machine's world; the same on all ranks.
Cluster running_cluster(const Machine& machine, const std::optional<Cluster>& calibrated);

// Ranks of one host that nobody has started yet.
Cluster one_host(const std::string& name, int ranks, int64_t bytes_a_rank, int threads_a_rank,
                 const std::optional<Cluster>& calibrated);

}  // namespace trireme
