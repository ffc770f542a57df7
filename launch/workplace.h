// Workplace: where this rank works, with the CUDA half loaded only if a GPU is asked for.
#pragma once

#include <string>

#include "launch/process.h"
#include "src/config/job.h"
#include "src/render/memory_meter.h"

namespace trireme {

struct Workplace {
  Group world;
  at::Device device;
  TensorMemory memory;
  std::string name = "cpu";
  int64_t bytes = 0;  // that this rank may use
};

// Collective where a GPU is asked for.
Workplace workplace_for(DeviceChoice choice, const Process& process);

}  // namespace trireme
