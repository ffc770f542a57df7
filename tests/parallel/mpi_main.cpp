// The test program of the MPI transport: every rank of `mpirun -n N mpi_test` runs every test.
#include <gtest/gtest.h>
#include <mpi.h>

#include "parallel/transports/mpi.h"
#include "tests/parallel/ranks.h"

namespace trireme {
namespace {

// The world of this program, from main; tests get it through on_every_rank.
Group& world() {
  static Group group;
  return group;
}

// Rank 0 tells all, the others what failed.
class FailuresOnly : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    fprintf(stderr, "rank %d: %s:%d: %s\n", world().rank(), result.file_name(),
            result.line_number(), result.message());
  }
};

}  // namespace

std::vector<int> rank_counts() {
  return {world().size()};
}

void on_every_rank(int, const std::function<void(Group)>& body) {
  const c10::InferenceMode inference;
  body(world());
  world().barrier();
}

at::Tensor here(const at::Tensor& x) {
  return x;
}

bool sums_round_once() {
  return true;
}

int run(int argc, char** argv) {
  world() = Group(mpi_world({.deadline = std::chrono::seconds(20)}));
  testing::InitGoogleTest(&argc, argv);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world().rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOnly);
  }
  const int failed = RUN_ALL_TESTS();
  world() = Group();
  return failed;
}

}  // namespace trireme

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int failed = trireme::run(argc, argv);
  if (failed != 0) MPI_Abort(MPI_COMM_WORLD, failed);
  MPI_Finalize();
  return failed;
}
