#include "parallel/schedule/simulate.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

namespace trireme {
namespace {

class Simulation {
 public:
  Simulation(const std::vector<Program>& programs, const Costs& costs)
      : programs_(programs), costs_(costs), next_(programs.size(), 0), now_(programs.size(), 0) {
    trace_.lanes.resize(programs.size());
  }

  // The programs were checked: there is always a stage that can go on.
  Trace run() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (int stage = 0; stage < static_cast<int>(programs_.size()); ++stage)
        while (advance(stage)) moved = true;
    }
    return std::move(trace_);
  }

 private:
  bool advance(int stage) {
    const auto& program = programs_[stage];
    if (next_[stage] == program.size()) return false;
    const auto& op = program[next_[stage]];
    double end = now_[stage];
    if (op.kind == Op::Kind::kReceive) {
      auto& arrivals = arrivals_[{op.peer, stage}];
      if (arrivals.empty()) return false;
      end = std::max(end, arrivals.front());
      arrivals.pop_front();
    } else if (op.kind == Op::Kind::kSend) {
      arrivals_[{stage, op.peer}].push_back(end + costs_.transfer(stage, op));
    } else {
      end += costs_.compute(stage, op);
    }
    trace_.lanes[stage].push_back({op, now_[stage], end});
    now_[stage] = end;
    ++next_[stage];
    return true;
  }

  const std::vector<Program>& programs_;
  const Costs& costs_;
  std::vector<size_t> next_;
  std::vector<double> now_;
  std::map<std::pair<int, int>, std::deque<double>> arrivals_;
  Trace trace_;
};

}  // namespace

Trace simulate(const std::vector<Program>& programs, const Costs& costs) {
  return Simulation(programs, costs).run();
}

}  // namespace trireme
