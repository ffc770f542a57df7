// measure: the rates of the device on which this process runs and of the links to the other ranks,
// as a plan means them (parallel/plan/cluster.h), from our own layers where they differ from plain
// operators. A CPU is measured with one thread: plans scale it. Takes some tens of seconds.
#pragma once

#include <ATen/ATen.h>

#include "parallel/group.h"
#include "parallel/plan/cluster.h"

namespace trireme {

// Medians of several rounds. Nothing else should run meanwhile.
Rates measure_rates(at::Device device, at::ScalarType dtype);

// Collective: what the ranks of a group reach when they all talk. One rank: no link, all zero.
Link measure_link(const Group& group, at::Device device);

}  // namespace trireme
