// Memory: what each rank of a layout holds at most, stage by stage, as the memory report of a run
// counts it (docs/memory.md). Weights are exact to the byte; activations are the most that lives at
// one time, each term a function with its formula in memory_*.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "parallel/plan/layout.h"
#include "parallel/plan/workload.h"

namespace trireme {

struct StageMemory {
  int64_t weights = 0;
  int64_t activations = 0;  // most beyond weights and buffers, what waits included
  int64_t buffers = 0;      // most that is under way between ranks
};

struct RankMemory {
  StageMemory encode = {}, denoise = {}, decode = {};
  int64_t load_peak = 0;  // most beyond the weights while they are read
  int64_t program = 0;    // of the process before it has read anything, workspaces, a reserve

  // The most at one time: all components stay, or only the largest stage is there.
  int64_t peak(Offload offload) const;
};

// Bytes of a rank's part of a product's matrices and biases, of a layer, of embedded ids.
// `element_bytes`: of the job's dtype. `on_cpu`: small matrices whose results are summed over ranks
// are held in float64 there, whether there is more than one rank or not.
int64_t weight_bytes(const Product& product, Storage storage, int64_t element_bytes,
                     const Coordinate& tensor, bool on_cpu);
int64_t weight_bytes(const Layer& layer, Storage storage, int64_t element_bytes,
                     const Coordinate& tensor, bool on_cpu);

// Of one rank of a replica, for the largest of the workload's shapes. `on_cpu`: layers lie and are
// laid out differently on a CPU.
RankMemory memory_of(const Workload& workload, const Layout& layout, int rank, bool on_cpu);

}  // namespace trireme
