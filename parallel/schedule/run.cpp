#include "parallel/schedule/run.h"

#include <chrono>

namespace trireme {
namespace {

// Enough to see what a schedule does, however many batches follow.
constexpr int64_t kTracedTurns = 2000;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Whether the program goes on: all turns but the first one that is not taken.
bool carry_out(const Op& op, Turns& turns, const RunCallbacks& callbacks) {
  switch (op.kind) {
    case Op::Kind::kTurn:
      return turns.is_taken(op.visit.step, callbacks.wants_to_stop());
    case Op::Kind::kDone:
      turns.tell_done();
      return true;
    case Op::Kind::kWait:
      turns.wait_until_done(op.visit.step + 1);
      return true;
    default:
      callbacks.perform(op);
      return true;
  }
}

}  // namespace

RunResult run(ProgramMaker& program, Turns& turns, const RunCallbacks& callbacks) {
  RunResult result;
  const auto begin = std::chrono::steady_clock::now();
  const auto carry_out_all = [&](const Program& ops) {
    for (const auto& op : ops) {
      const double before = seconds_since(begin);
      result.stopped |= !carry_out(op, turns, callbacks);
      if (program.turn() > kTracedTurns) continue;
      result.lane.push_back({op, before, seconds_since(begin)});
      callbacks.recorded(result.lane.back());
    }
  };
  int64_t asked = 0;
  while (true) {
    for (; asked <= program.horizon() && !result.stopped; ++asked) {
      carry_out_all(program.words_before(asked));
      if (result.stopped) program.end_before(asked);
    }
    const auto ops = program.next();
    if (!ops) break;
    carry_out_all(*ops);
    if (const auto visit = program.visit()) callbacks.after_visit(*visit);
    callbacks.after_turn();
  }
  turns.finish();
  return result;
}

}  // namespace trireme
