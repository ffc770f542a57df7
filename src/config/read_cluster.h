// Cluster files: the machines of a plan as YAML. A device may be `like` one that is known by name,
// and says only what is different:
//
//   name: two mixed nodes
//   nodes:
//     - {count: 2, devices: 8, device: {like: l40, memory_GB: 45}}
//     - {devices: 4, device: {like: 4090}, link: {GBps: 11}}
//   between: {latency_us: 25, GBps: 11}
//
// Units stand in the keys; GB are 1e9 bytes, and rates are of one direction.
#pragma once

#include <string>
#include <string_view>

#include "parallel/plan/cluster.h"

namespace trireme {

// Error (kBadJob) names file, line and column of all that is wrong, contradictions with the numbers
// among it.
Cluster parse_cluster(std::string_view text, const std::string& path);
Cluster read_cluster(const std::string& path);

// The same as text, every number explicit; `comment` goes before it, line by line.
std::string to_yaml(const Cluster& cluster, std::string_view comment = {});

}  // namespace trireme
