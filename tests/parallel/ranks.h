// What the suite of all transports stands on: each transport's test program says which numbers of
// ranks it can offer, how a body runs on every rank, and where its tensors lie.
#pragma once

#include <functional>
#include <vector>

#include "parallel/group.h"

namespace trireme {

std::vector<int> rank_counts();
void on_every_rank(int ranks, const std::function<void(Group)>& body);
// x on the device that the ranks compute on.
at::Tensor here(const at::Tensor& x);
// Whether float32 is summed in float64 and rounded once, as on hosts.
bool sums_round_once();

}  // namespace trireme
