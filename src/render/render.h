// render: a job from its rows to its files, on all ranks of a world. Replicas take batches in turn;
// inside a replica all ranks go through a batch together. Each sample's file appears whole or not
// at all, so a run that was broken off goes on where it stopped and the same job gives the same
// bytes.
#pragma once

#include <functional>
#include <string>

#include "parallel/error.h"
#include "src/config/job.h"
#include "src/render/machine.h"

namespace trireme {

struct RenderReports {
  std::string trace = {};  // a file that tells what each rank did when (Chrome's format), or none
  std::function<void(const std::string& table)> memory = {};   // takes the memory of all ranks
  std::function<void(const std::string& layout)> choice = {};  // takes what the planner chose
  std::function<void(const std::string& line)> warning = {};   // takes what went wrong and goes on
};

// Exit code: kDone, kTooManyFailed or, if a signal stopped it at a step, kDrained. Everything else
// is an Error. Collective over the world; reports are given on its first rank.
Exit render(const Job& job, const Machine& machine, const RenderReports& reports = {});

}  // namespace trireme
