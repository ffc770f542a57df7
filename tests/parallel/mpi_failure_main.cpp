// What MPI ranks do when one of them fails, one way a run: `mpirun -n 3 mpi_failure HOW`. The test
// that reads exit code, time and text is mpi_failure_test.cpp; this is its subject.
//   absent   rank 1 does not take part: the others must end with 69 and name it
//   chain    rank 1 hangs, rank 2 waits for it and rank 0 for rank 2
//   throws   rank 1 fails with 65: all must end with 65
//   killed   rank 1 dies without a word: all must end
#include <csignal>
#include <cstdio>
#include <string>

#include <mpi.h>
#include <unistd.h>

#include "parallel/group.h"
#include "parallel/transports/mpi.h"

namespace trireme {
namespace {

void fail_as(const std::string& how, const Group& world) {
  if (world.rank() != 1) return;
  if (how == "absent" || how == "chain") sleep(600);
  if (how == "throws") throw Error(Exit::kBadData, "[weights] a.safetensors is cut short");
  if (how == "killed") raise(SIGKILL);
}

// In a chain the middle rank is more patient, so that it is asked before it asks, and has time to
// answer on a busy machine.
std::chrono::seconds deadline(const std::string& how) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (how != "chain") return std::chrono::seconds(1);
  return std::chrono::seconds(rank == 2 ? 30 : 3);
}

int run(const std::string& how) {
  Group world(mpi_world({.deadline = deadline(how)}));
  try {
    world.barrier();
    const auto all = world.split(0, world.rank());
    world.note("stage 1, batch 3, step 7");
    fail_as(how, world);
    if (how == "chain") world.receive(at::ones({1}), world.rank() == 0 ? 2 : 1);
    all.all_reduce(at::ones({100000}));
  } catch (const Error& error) {
    fprintf(stderr, "%s\n", error.what());
    world.abort(error.what(), error.exit());
    return static_cast<int>(error.exit());
  }
  return 0;
}

}  // namespace
}  // namespace trireme

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int code = trireme::run(argc > 1 ? argv[1] : "");
  MPI_Finalize();
  return code;
}
