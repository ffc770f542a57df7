#include "launch/workplace.h"

#include "launch/host.h"
#include "parallel/device.h"
#include "parallel/host_memory.h"

namespace trireme {
namespace {

TensorMemory host_memory() {
  auto& memory = HostMemory::counted();
  return {.bytes = [&memory] { return memory.bytes(); },
          .peak = [&memory] { return memory.peak(); },
          .mark = [&memory] { memory.mark(); }};
}

}  // namespace

// `auto` is the CPU: the CUDA half has not run on a GPU yet (docs/gpu.md).
Workplace workplace_for(DeviceChoice choice, const Process& process) {
  if (choice != DeviceChoice::kCuda)
    return {.world = process.world(),
            .device = at::kCPU,
            .memory = host_memory(),
            .bytes = usable_memory() / process.local_size()};
  const auto cuda = CudaRuntime::open();
  const int device = process.local_rank() % cuda.devices();
  cuda.use(device);
  return {process.world_on(cuda, device),
          at::Device(at::kCUDA, static_cast<int8_t>(device)),
          {.bytes = [cuda, device] { return cuda.bytes(device); },
           .peak = [cuda, device] { return cuda.peak_bytes(device); },
           .mark = [cuda, device] { cuda.mark_peak(device); }},
          cuda.name(device),
          cuda.total_bytes(device) / 10 * 9};
}

}  // namespace trireme
