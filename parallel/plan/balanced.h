// balanced_layout: what diffusers' device_map="balanced" means, in blocks instead of components.
// One replica of all ranks with the transformer's blocks in a row over them, cut by what they cost,
// the text encoders on the first rank and the VAE on the last. Where that does not fit, blocks go
// from full ranks to those with most room and encoders and VAE may be split over the ranks: of what
// fits then the fastest.
#pragma once

#include "parallel/plan/cluster.h"
#include "parallel/plan/layout.h"
#include "parallel/plan/workload.h"

namespace trireme {

Layout balanced_layout(const Workload& workload, const Cluster& cluster);

}  // namespace trireme
