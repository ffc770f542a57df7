// Machine: where a job runs, as the process that started it knows it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "parallel/group.h"
#include "parallel/plan/cluster.h"
#include "src/render/memory_meter.h"
#include "src/report/progress.h"

namespace trireme {

struct Machine {
  Group world;
  std::string host;
  at::Device device = at::kCPU;
  TensorMemory memory = {};  // of the device
  std::string device_name = "cpu";
  int64_t memory_bytes = 0;  // that this rank may use
  int threads = 1;           // of this rank
  std::optional<Cluster> calibrated = {};
  Surroundings terminal = {};
  std::function<int()> stop_signal = [] { return 0; };  // the signal that asks us to stop, or 0
  // From when we hear of it: how long a batch in flight may take to be finished.
  std::function<double()> seconds_to_stop = [] { return 0.0; };
};

constexpr int kSpeaker = 0;  // the rank that says and writes what is said and written once

}  // namespace trireme
