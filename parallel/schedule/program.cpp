#include "parallel/schedule/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "parallel/error.h"

namespace trireme {
namespace {

const char* word(Op::Kind kind) {
  switch (kind) {
    case Op::Kind::kBegin:
      return "begin";
    case Op::Kind::kReceive:
      return "receive";
    case Op::Kind::kForward:
      return "forward";
    case Op::Kind::kStep:
      return "step";
    case Op::Kind::kSend:
      return "send";
    case Op::Kind::kFinish:
      return "finish";
  }
  return "?";
}

// What one stage does for one visit.
void append(Program& program, Visit visit, int stage, int stages, bool last_step) {
  using Kind = Op::Kind;
  const bool first = stage == 0, last = stage == stages - 1;
  const int before = first ? stages - 1 : stage - 1, after = last ? 0 : stage + 1;
  if (first && visit.step == 0) program.push_back({Kind::kBegin, visit});
  // What comes back to the first stage are the latents of the step before.
  const bool receives = first ? visit.step > 0 : true;
  if (receives && stages > 1) program.push_back({Kind::kReceive, visit, before});
  program.push_back({Kind::kForward, visit});
  if (last) program.push_back({Kind::kStep, visit});
  if (last && last_step) {
    program.push_back({Kind::kFinish, visit});
  } else if (stages > 1) {
    program.push_back({Kind::kSend, visit, after});
  }
}

// A message is known by what it is for: the last stage's latents are for the next step's visit.
Visit purpose(const Op& op, int from, int to) {
  const bool back = op.kind == Op::Kind::kSend && to == 0 && from > 0;
  return {op.visit.batch, op.visit.step + (back ? 1 : 0)};
}

// The programs under way, one message queue for each pair of stages.
class Rehearsal {
 public:
  explicit Rehearsal(const std::vector<Program>& programs)
      : programs_(programs), next_(programs.size(), 0) {}

  void run() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t stage = 0; stage < programs_.size(); ++stage)
        while (advance(static_cast<int>(stage))) moved = true;
    }
    for (size_t stage = 0; stage < programs_.size(); ++stage)
      if (next_[stage] < programs_[stage].size()) refuse(stage, "waits for ever");
    for (const auto& [pair, queue] : sent_)
      if (!queue.empty()) refuse(static_cast<size_t>(pair.second), "is sent what it never takes");
  }

 private:
  bool advance(int stage) {
    const auto& program = programs_[stage];
    if (next_[stage] == program.size()) return false;
    const auto& op = program[next_[stage]];
    if (op.kind == Op::Kind::kSend) sent_[{stage, op.peer}].push_back(purpose(op, stage, op.peer));
    if (op.kind == Op::Kind::kReceive) {
      auto& queue = sent_[{op.peer, stage}];
      if (queue.empty()) return false;
      if (!(queue.front() == op.visit)) refuse(static_cast<size_t>(stage), "gets another message");
      queue.pop_front();
    }
    ++next_[stage];
    return true;
  }

  [[noreturn]] void refuse(size_t stage, const char* what) const {
    const auto& program = programs_[stage];
    const auto where = next_[stage] < program.size() ? to_string(program[next_[stage]]) : "its end";
    throw Error(Exit::kBug,
                fmt::format("[schedule] stage {} {} at {} -> programs that fit together "
                            "-> the schedule was built wrongly",
                            stage, what, where));
  }

  const std::vector<Program>& programs_;
  std::vector<size_t> next_;
  std::map<std::pair<int, int>, std::deque<Visit>> sent_;
};

}  // namespace

std::string to_string(const Op& op) {
  const auto peer = op.peer >= 0 ? fmt::format(", peer {}", op.peer) : "";
  return fmt::format("{} batch {} step {}{}", word(op.kind), op.visit.batch, op.visit.step, peer);
}

std::vector<Visit> circular(const std::vector<int>& steps, int in_flight) {
  std::vector<Visit> visits;
  std::deque<Visit> turns;  // the next visit of each batch in flight
  const int batches = static_cast<int>(steps.size());
  int waiting = 0;  // the next batch that has not begun
  const auto begin_next = [&] {
    while (waiting < batches && steps[waiting] == 0) ++waiting;
    if (waiting < batches) turns.push_back({waiting++, 0});
  };
  while (waiting < batches && static_cast<int>(turns.size()) < in_flight) begin_next();
  while (!turns.empty()) {
    const auto visit = turns.front();
    turns.pop_front();
    visits.push_back(visit);
    if (visit.step + 1 < steps[visit.batch]) {
      turns.push_back({visit.batch, visit.step + 1});
    } else {
      begin_next();
    }
  }
  return visits;
}

std::vector<Program> pipeline_programs(const std::vector<int>& steps, int in_flight, int stages) {
  std::vector<Program> programs(stages);
  for (const auto& visit : circular(steps, in_flight)) {
    const bool last_step = visit.step + 1 == steps[visit.batch];
    for (int stage = 0; stage < stages; ++stage)
      append(programs[stage], visit, stage, stages, last_step);
  }
  check_programs(programs);
  return programs;
}

void check_programs(const std::vector<Program>& programs) {
  Rehearsal(programs).run();
}

}  // namespace trireme
