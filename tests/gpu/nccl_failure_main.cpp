// `mpirun -n N gpu_nccl_failure`: rank 1 does not take part in a collective, and the host of the
// others is elsewhere. The watchdog must end them with 75 soon after the deadline of five seconds.
#include <mpi.h>
#include <unistd.h>

#include <cstdio>

#include "tests/gpu/nccl_world.h"

namespace {

using namespace trireme;

int run() {
  const auto world = nccl_over_mpi(std::chrono::seconds(5));
  world.note("step 7");
  auto x = at::ones({1024}, at::kCUDA);
  world.all_reduce(x);  // links are made here: the next one stops no host
  if (world.rank() != 1) world.all_reduce(x);
  sleep(60);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int code = 1;
  try {
    code = run();
  } catch (const Error& error) {
    fprintf(stderr, "%s\n", error.what());
    code = static_cast<int>(error.exit());
  }
  MPI_Abort(MPI_COMM_WORLD, code);
}
