// NcclOperation: what a rank has given its device, or what its host waits for, and how to tell of
// it: its line among the last events, and what an error says of it.
#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "parallel/transports/nccl_library.h"

namespace trireme {

struct NcclOperation {
  static constexpr int kWholeGroup = -1;
  using Time = std::chrono::steady_clock::time_point;

  const char* name;        // "all_reduce"
  int ranks = 0;           // of its group
  int peer = kWholeGroup;  // a rank of the world
  int64_t bytes = 0;
  std::vector<at::Tensor> tensors = {};  // to stay alive until it is done
  NcclComm comm = nullptr;
  DeviceStream stream = nullptr;
  std::shared_ptr<DeviceEvent> begun = nullptr, done = nullptr;

  // The watchdog's own, under its lock.
  enum { kBeingMade, kQueued, kRunning, kDone } state = kBeingMade;
  int64_t number = 0;
  Time posted = {}, since = {};  // since: its turn has come

  // "#7 send, rank 2, 4096 bytes, 0.250 s ago, under way"
  std::string line(Time now) const;
  // "all_reduce on 4 ranks waited 10.0 s -> ... -> ..."
  std::string is_late(double seconds) const;
  std::string is_broken(const std::string& error) const;
};

}  // namespace trireme
