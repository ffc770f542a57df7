#include "tests/parallel/ranks.h"
#include "tests/support/run_ranks.h"

namespace trireme {

std::vector<int> rank_counts() {
  return {1, 2, 3, 4, 8};
}

void on_every_rank(int ranks, const std::function<void(Group)>& body) {
  run_ranks(ranks, body);
}

at::Tensor here(const at::Tensor& x) {
  return x;
}

bool sums_round_once() {
  return true;
}

}  // namespace trireme
