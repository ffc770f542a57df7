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

RunResult run(ProgramMaker& program, Turns& turns, const RunCallbacks& callbacks) {
  RunResult result;
  const auto begin = std::chrono::steady_clock::now();
  const auto traced = [&](const Op& op, const auto& perform) {
    const double before = seconds_since(begin);
    perform();
    if (program.turn() > kTracedTurns) return;
    result.lane.push_back({op, before, seconds_since(begin)});
    callbacks.recorded(result.lane.back());
  };
  int64_t asked = 0;
  const auto ask = [&] { result.stopped = !turns.is_taken(asked, callbacks.wants_to_stop()); };
  while (true) {
    for (; asked <= program.horizon() && !result.stopped; ++asked) {
      traced({Op::Kind::kTurn, {-1, asked}}, ask);
      if (result.stopped) program.end_before(asked);
    }
    const auto ops = program.next();
    if (!ops) break;
    for (const auto& op : *ops) traced(op, [&] { callbacks.perform(op); });
    if (const auto visit = program.visit()) callbacks.after_visit(*visit);
    callbacks.after_turn();
  }
  turns.finish();
  return result;
}

}  // namespace trireme
