// StagedRun: a job whose components take turns in a rank's memory (layout.offload: staged). The
// batches of a window are all encoded, then all denoised, then all decoded; between the stages a
// rank frees what it held and reads what comes next. So a component is read once a window, and a
// rank never needs more than its largest stage and what waits between two: the window's embeddings
// or latents, which are what limits it, if the job does not.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "parallel/schedule/run.h"
#include "src/pipelines/pipeline.h"
#include "src/render/worker.h"

namespace trireme {

class StagedRun {
 public:
  // `next_steps` adds the next batch to the worker, as a ProgramMaker's does; `hold` is
  // Pipeline::hold. All must outlive this.
  StagedRun(const Pipeline& pipeline, Worker& worker, std::function<void(const Parts&)> hold,
            NextSteps next_steps, RunCallbacks callbacks, std::optional<int> window);

  // Collective over the replica. Stops at a turn, as run() does; batches that are denoised by then
  // are decoded.
  RunResult operator()();

 private:
  struct Batch {
    int64_t number;
    int64_t steps;
  };
  using Window = std::vector<Batch>;

  Window next_window();
  bool is_full(const Window& window) const;
  int64_t waiting_bytes(const Batch& batch) const;
  // What all ranks of the replica do of one stage; returns the batches that it is done with.
  Window stage(const Roles& roles, Window window);
  void hand_over(Op::Kind give, Op::Kind take, const Window& window);
  Window encode(const Window& window);
  Window denoise(const Window& window);
  void decode(const Window& window);

  const Pipeline& pipeline_;
  Worker& worker_;
  std::function<void(const Parts&)> hold_;
  NextSteps next_steps_;
  RunCallbacks callbacks_;
  const std::optional<int> window_;  // samples
  const Roles roles_;
  int64_t taken_ = 0;  // batches
  double begun_;
  RunResult result_;
};

}  // namespace trireme
