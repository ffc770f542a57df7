// settle: before anything is loaded, the layout that a run will have, agreed on by all ranks: one
// of them plans, the others are told.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "parallel/plan/layout.h"
#include "src/config/job.h"
#include "src/render/inputs.h"
#include "src/render/machine.h"

namespace trireme {

struct Settled {
  Job job;  // with what the planner was allowed to quantize
  Layout layout;
  int64_t peak_bytes = 0;   // that its fullest rank is expected to hold
  int64_t limit_bytes = 0;  // that a rank may use
  // On the speaker: the plan for report.json, and the line that says what was chosen; empty where
  // the user left nothing open.
  std::string predicted = "null";
  std::string choice = {};
  // On the speaker, which read them to plan: those of `job`, unless it was changed.
  std::shared_ptr<const Inputs> inputs = {};
  bool ran_out = false;  // of memory, in this process, with another layout
};

// Collective over the machine's world. Below `most_bytes` and what an earlier run noted
// (memory_note) on every rank, if they are given: then batches may be smaller than the job says.
// Error (kUnavailable) if no layout fits into memory, with what would.
Settled settle(Job job, const Machine& machine, std::optional<int64_t> most_bytes = {});

}  // namespace trireme
