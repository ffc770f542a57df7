// Renderer: a job under way on this rank: the pipeline, the worker that runs its program, the files
// that come out and what is told of them. Owns all of these for one run. One rank is one replica
// with every role, whose messages go nowhere.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "parallel/schedule/run.h"
#include "src/pipelines/pipeline.h"
#include "src/render/batches.h"
#include "src/render/dealer.h"
#include "src/render/job_output.h"
#include "src/render/lanes.h"
#include "src/render/patience.h"
#include "src/render/render.h"
#include "src/render/sample_files.h"
#include "src/render/settle.h"
#include "src/render/tally.h"
#include "src/render/watch.h"
#include "src/render/worker.h"
#include "src/report/report.h"

namespace trireme {

class Renderer {
 public:
  // All must outlive this.
  Renderer(const Inputs& inputs, const Settled& settled, const Machine& machine,
           const RenderReports& reports);
  Renderer(const Renderer&) = delete;  // its clock calls back
  Exit run();                          // once

 private:
  // What follows when the replicas of this run have nothing more to take.
  enum class Next : int64_t { kEnd, kAgain, kStop };

  bool staged() const { return settled_.layout.offload == Offload::kStaged; }
  void hold(const Parts& parts);
  void run_rounds();
  RunResult run_round();
  RunResult run_batches();
  RunResult run_in_stages();
  RunCallbacks callbacks();
  std::optional<int64_t> next_steps();
  void take_portion(const Deal& deal);
  Next wait_for_what_others_hold();
  Next next_round();
  void perform(const Op& op);
  void after_visit(Visit visit);
  bool stops_before(std::optional<Visit> visit);
  void show_progress();

  Exit finish();
  Exit exit_with(int64_t failed) const;
  void write_schedule(Report& report, const Trace& lanes) const;

  const Inputs& inputs_;
  const Settled& settled_;
  const Machine& machine_;
  const RenderReports& reports_;
  MemoryMeter memory_;
  StageClock clock_;
  double begun_ = steady_seconds();
  JobOutput output_;
  Pipeline pipeline_;
  const Role role_;
  Progress progress_;
  Watch watch_;
  std::unique_ptr<Recorder> recorder_;  // on the rank that writes; its threads tell the watch
  SampleFiles files_;
  Worker worker_;
  Patience patience_;
  Dealer dealer_;
  std::deque<Batch> batches_;   // dealt to this replica, not begun
  ProgressCounts counts_;       // of this replica
  std::optional<Tally> tally_;  // of this round
  bool told_signal_ = false, is_first_round_ = true;
  Verdicts verdicts_;  // on the speaker, in the end
  RunResult result_;
};

}  // namespace trireme
