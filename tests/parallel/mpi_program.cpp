#include "tests/parallel/mpi_program.h"

#include <gtest/gtest.h>
#include <mpi.h>

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

int run_tests(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world().rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOnly);
  }
  return RUN_ALL_TESTS();
}

}  // namespace

std::vector<int> rank_counts() {
  return {world().size()};
}

void on_every_rank(int, const std::function<void(Group)>& body) {
  const c10::InferenceMode inference;
  body(world());
  world().barrier();
}

int run_on_processes(int argc, char** argv, const std::function<Group()>& make_world) {
  MPI_Init(&argc, &argv);
  int failed = 0;
  try {
    world() = make_world();
    failed = run_tests(argc, argv);
    world() = Group();
  } catch (const Error& error) {
    fprintf(stderr, "%s\n", error.what());
    failed = static_cast<int>(error.exit());
  }
  if (failed != 0) MPI_Abort(MPI_COMM_WORLD, failed);
  MPI_Finalize();
  return failed;
}

}  // namespace trireme
