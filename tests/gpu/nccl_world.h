// The world of the GPU test programs: MPI ranks of one host, each on its GPU, or sharing one.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "parallel/device.h"
#include "parallel/group.h"
#include "parallel/transports/mpi.h"

namespace trireme {

// Error (kUnavailable) without a GPU. Two ranks of one host may share a GPU only if NCCL takes them
// for two hosts.
inline Group nccl_over_mpi(std::chrono::milliseconds deadline) {
  const auto cuda = CudaRuntime::open();
  const auto bootstrap = mpi_world({.deadline = deadline});
  if (bootstrap->size() > cuda.devices())
    setenv("NCCL_HOSTID", fmt::format("trireme-{}", bootstrap->rank()).c_str(), 1);
  const int device = bootstrap->rank() % cuda.devices();
  cuda.use(device);
  return Group(cuda.transport(bootstrap, device, {.deadline = deadline}));
}

}  // namespace trireme
