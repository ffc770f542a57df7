#include "tests/parallel/ranks.h"
#include "tests/support/nccl_stand_in.h"

namespace trireme {

std::vector<int> rank_counts() {
  return {1, 2, 3, 4, 8};
}

void on_every_rank(int ranks, const std::function<void(Group)>& body) {
  run_nccl_ranks(ranks, NcclStandIn(), [&](const auto& transport) { body(Group(transport)); });
}

at::Tensor here(const at::Tensor& x) {
  return x;
}

bool sums_round_once() {
  return true;
}

}  // namespace trireme
