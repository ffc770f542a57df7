// The suite of all transports over NCCL, on CUDA tensors: `mpirun -n N gpu_nccl`, also with more
// ranks than GPUs.
#include "tests/gpu/nccl_world.h"
#include "tests/parallel/mpi_program.h"
#include "tests/parallel/ranks.h"

namespace trireme {

at::Tensor here(const at::Tensor& x) {
  return x.to(at::kCUDA);
}

bool sums_round_once() {
  return false;
}

}  // namespace trireme

int main(int argc, char** argv) {
  using namespace trireme;
  return run_on_processes(argc, argv, [] { return nccl_over_mpi(std::chrono::seconds(60)); });
}
