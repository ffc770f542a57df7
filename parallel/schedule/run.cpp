#include "parallel/schedule/run.h"

#include <chrono>

namespace trireme {
namespace {

// Enough to see what a schedule does, however many batches follow.
constexpr int64_t kTracedTurns = 2000;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

RunResult run(ProgramMaker& program, Turns& turns, const Worker& worker) {
  RunResult result;
  const auto begin = std::chrono::steady_clock::now();
  const auto perform = [&](const Op& op, bool traced) {
    const double before = seconds_since(begin);
    worker.perform(op);
    if (traced) result.lane.push_back({op, before, seconds_since(begin)});
  };
  while (true) {
    for (int64_t turn = program.turn(); turn <= program.horizon() && !result.stopped; ++turn) {
      result.stopped = !turns.is_taken(turn, worker.wants_to_stop());
      if (result.stopped) program.end_before(turn);
    }
    const bool traced = program.turn() < kTracedTurns;
    const auto ops = program.next();
    if (!ops) break;
    for (const auto& op : *ops) perform(op, traced);
    worker.after_turn();
  }
  turns.finish();
  return result;
}

}  // namespace trireme
