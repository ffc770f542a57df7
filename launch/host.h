// This host: what of it a process may use, and what is known of it.
#pragma once

#include <cstdint>
#include <optional>

#include "parallel/plan/cluster.h"

namespace trireme {

int usable_cores();
// Nine tenths of the memory, or of what a container may use of it.
int64_t usable_memory();

// Where `trireme bench --calibrate` writes: the file that TRIREME_CLUSTER names, or
// $XDG_CACHE_HOME/trireme/HOST.yaml, or ~/.cache/trireme/HOST.yaml.
std::string calibration_file();
// What is there; nothing if it is not, and Error if TRIREME_CLUSTER names what is not there.
std::optional<Cluster> calibrated_cluster();

}  // namespace trireme
