// What the suite of all transports stands on: each transport's test program says which numbers of
// ranks it can offer and how a body runs on every rank.
#pragma once

#include <functional>
#include <vector>

#include "parallel/group.h"

namespace trireme {

std::vector<int> rank_counts();
void on_every_rank(int ranks, const std::function<void(Group)>& body);

}  // namespace trireme
