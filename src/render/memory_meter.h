// MemoryMeter: what a rank's memory holds, stage by stage, as it was: the weights of each
// component, what a stage needs beyond them at most, and of that what is under way between ranks.
// Tensors are counted where they are allocated (parallel/host_memory.h on the host, ATen's caching
// allocator on a GPU), weights that are pages of their files by the page.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "parallel/group.h"
#include "src/pipelines/pipeline.h"
#include "src/report/report.h"

namespace trireme {

// The tensors on one device: now, at most since the last mark, and a mark.
struct TensorMemory {
  std::function<int64_t()> bytes = [] { return 0; };
  std::function<int64_t()> peak = [] { return 0; };
  std::function<void()> mark = [] {};
};

class MemoryMeter {
 public:
  MemoryMeter(TensorMemory memory, Group world);

  // Pipeline::hold, one component after the other, each weighed.
  void hold(Pipeline& pipeline, const Parts& parts);
  // For StageClock: what happened since the last call belongs to this stage.
  void left(std::optional<Stage> stage);

  // What it knows into a rank's report.
  void fill(RankReport& report) const;

 private:
  struct Weights {
    int64_t allocated = 0;
    int64_t mapped = 0;  // pages of files
  };
  struct Most {
    int64_t activations = 0;
    int64_t buffers = 0;
  };
  int64_t held() const;  // of the weights, what was allocated

  TensorMemory memory_;
  Group world_;
  Parts parts_;
  int64_t program_bytes_;
  int64_t load_peak_ = 0;           // beyond what is held afterwards
  std::map<Stage, Weights> now_;    // of the components that are held
  std::map<Stage, Weights> known_;  // of all that were
  std::map<Stage, Most> most_;
};

}  // namespace trireme
