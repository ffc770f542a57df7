// run: the program of this rank, carried out and recorded, turn by turn, until it ends or somebody
// wants to stop.
#pragma once

#include <functional>

#include "parallel/schedule/program_maker.h"
#include "parallel/schedule/trace.h"
#include "parallel/schedule/turns.h"

namespace trireme {

struct RunCallbacks {
  std::function<void(const Op& op)> perform;
  std::function<bool()> wants_to_stop = [] { return false; };
  std::function<void(Visit visit)> after_visit = [](Visit) {};  // that a turn was
  std::function<void()> after_turn = [] {};
  std::function<void(const Span& span)> recorded = [](const Span&) {};  // into the lane, just now
};

struct RunResult {
  bool stopped = false;    // before its end
  std::vector<Span> lane;  // of the first turns; seconds from when all ranks were ready
};

// Collective over the ranks of `turns`.
RunResult run(ProgramMaker& program, Turns& turns, const RunCallbacks& callbacks);

}  // namespace trireme
