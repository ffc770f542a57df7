#include "parallel/schedule/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "parallel/error.h"

namespace trireme {
namespace {

using Kind = Op::Kind;

struct Message {
  Visit visit;
  double arrives;
};

// What is taken by this operation was sent by ...
Kind sent_by(Kind taking) {
  if (taking == Kind::kTurn) return Kind::kTurn;
  if (taking == Kind::kWait) return Kind::kDone;
  if (taking == Kind::kReceive) return Kind::kSend;
  return taking == Kind::kTakeText ? Kind::kGiveText : Kind::kGiveLatents;
}

// Ranks that do an operation together: it begins when all have come.
struct Meeting {
  std::vector<bool> present;
  size_t left = 0;
  double begin = 0;
};

class Simulation {
 public:
  Simulation(const Roles& roles, const std::vector<Program>& programs, const Costs& costs)
      : roles_(roles),
        leader_(leader_of(roles)),
        programs_(programs),
        costs_(costs),
        next_(programs.size(), 0),
        now_(programs.size(), 0) {
    trace_.lanes.resize(programs.size());
  }

  Trace run() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (int rank = 0; rank < static_cast<int>(programs_.size()); ++rank)
        while (advance(rank)) moved = true;
    }
    for (int rank = 0; rank < static_cast<int>(programs_.size()); ++rank)
      if (next_[rank] < programs_[rank].size()) refuse(rank, "waits for ever");
    for (const auto& [line, queue] : under_way_)
      if (!queue.empty()) refuse(std::get<2>(line), "is sent what it never takes");
    return std::move(trace_);
  }

 private:
  bool advance(int rank) {
    if (next_[rank] == programs_[rank].size()) return false;
    const auto& op = programs_[rank][next_[rank]];
    switch (op.kind) {
      case Kind::kTurn:
        return rank == leader_ ? post(rank, op, all_but(rank)) : take(rank, op, {leader_});
      case Kind::kDone:
        return post(rank, op, {leader_});
      case Kind::kWait:
        return take(rank, op, all_but(rank));
      case Kind::kExpect:
        return done(rank, now_[rank]);
      case Kind::kSend:
        return post(rank, op, {op.peer});
      case Kind::kGiveText:
        return post(rank, op, those([](const Role& r) { return r.stage >= 0 && !r.encodes; }));
      case Kind::kGiveLatents:
        return post(rank, op, those([&](const Role& r) { return r.decodes && !in_last_stage(r); }));
      case Kind::kReceive:
        return take(rank, op, {op.peer});
      case Kind::kTakeText:
        return take(rank, op, those([](const Role& r) { return r.encodes; }));
      case Kind::kTakeLatents:
        return take(rank, op, those([&](const Role& r) { return in_last_stage(r); }));
      case Kind::kEncode:
        return meet(rank, op, those([](const Role& r) { return r.encodes; }));
      case Kind::kForward:
      case Kind::kStep:
        return meet(rank, op, ranks_of_stage(roles_, roles_[rank].stage));
      case Kind::kDecode:
        return meet(rank, op, those([](const Role& r) { return r.decodes; }));
      case Kind::kBegin:
        return done(rank, now_[rank] + costs_.compute(rank, op));
    }
    return false;
  }

  std::vector<int> all_but(int rank) const {
    std::vector<int> ranks;
    for (int other = 0; other < static_cast<int>(roles_.size()); ++other)
      if (other != rank) ranks.push_back(other);
    return ranks;
  }

  bool in_last_stage(const Role& role) const {
    return role.stage >= 0 && role.stage == stage_count(roles_) - 1;
  }

  template <class Predicate>
  std::vector<int> those(Predicate predicate) const {
    std::vector<int> ranks;
    for (int rank = 0; rank < static_cast<int>(roles_.size()); ++rank)
      if (predicate(roles_[rank])) ranks.push_back(rank);
    return ranks;
  }

  bool done(int rank, double end) {
    trace_.lanes[rank].push_back({programs_[rank][next_[rank]], now_[rank], end});
    now_[rank] = end;
    ++next_[rank];
    return true;
  }

  // What goes back to the first stage is for the step after.
  bool post(int rank, const Op& op, const std::vector<int>& takers) {
    const double arrives = now_[rank] + costs_.transfer(rank, op);
    auto visit = op.visit;
    const bool back = op.kind == Kind::kSend && roles_[op.peer].stage == 0;
    if (back) ++visit.step;
    for (const int taker : takers) under_way_[{op.kind, rank, taker}].push_back({visit, arrives});
    return done(rank, now_[rank]);
  }

  bool take(int rank, const Op& op, const std::vector<int>& givers) {
    const auto kind = sent_by(op.kind);
    double end = now_[rank];
    for (const int giver : givers) {
      const auto& queue = under_way_[{kind, giver, rank}];
      if (queue.empty()) return false;
      if (!(queue.front().visit == op.visit)) refuse(rank, "gets another message");
      end = std::max(end, queue.front().arrives);
    }
    for (const int giver : givers) under_way_[{kind, giver, rank}].pop_front();
    return done(rank, end);
  }

  bool meet(int rank, const Op& op, const std::vector<int>& members) {
    const auto key = std::tuple(op.kind, op.visit.batch, op.visit.step, members.front());
    auto& meeting = meetings_[key];
    meeting.present.resize(programs_.size());
    if (!meeting.present[rank]) meeting.begin = std::max(meeting.begin, now_[rank]);
    meeting.present[rank] = true;
    for (const int member : members)
      if (!meeting.present[member]) return false;
    const double begin = meeting.begin;
    if (++meeting.left == members.size()) meetings_.erase(key);
    return done_together(rank, op, begin);
  }

  // The wait for the others is not part of the work.
  bool done_together(int rank, const Op& op, double begin) {
    now_[rank] = begin;
    return done(rank, begin + costs_.compute(rank, op));
  }

  [[noreturn]] void refuse(int rank, const char* what) const {
    const auto& program = programs_[rank];
    const auto where = next_[rank] < program.size() ? to_string(program[next_[rank]]) : "its end";
    throw Error(Exit::kBug, fmt::format("[schedule] rank {} {} at {} -> programs that fit together "
                                        "-> the schedule was built wrongly",
                                        rank, what, where));
  }

  const Roles& roles_;
  const int leader_;
  const std::vector<Program>& programs_;
  const Costs& costs_;
  std::vector<size_t> next_;
  std::vector<double> now_;
  // Text, activations and latents go over groups of their own: in order for each of them.
  std::map<std::tuple<Kind, int, int>, std::deque<Message>> under_way_;  // kind, from, to
  std::map<std::tuple<Kind, int64_t, int64_t, int>, Meeting> meetings_;
  Trace trace_;
};

}  // namespace

Trace simulate(const Roles& roles, const std::vector<Program>& programs, const Costs& costs) {
  return Simulation(roles, programs, costs).run();
}

std::function<double(int, const Op&)> mean_costs(const Trace& measured) {
  std::map<std::pair<int, Kind>, std::pair<double, int64_t>> sums;  // seconds, operations
  for (int rank = 0; rank < static_cast<int>(measured.lanes.size()); ++rank)
    for (const auto& [op, begin, end] : measured.lanes[rank]) {
      auto& [seconds, count] = sums[{rank, op.kind}];
      seconds += end - begin;
      ++count;
    }
  return [sums](int rank, const Op& op) {
    const auto found = sums.find({rank, op.kind});
    if (found == sums.end()) return 0.0;
    const auto& [seconds, count] = found->second;
    return seconds / static_cast<double>(count);
  };
}

// A batch that is only encoded counts for one step.
std::vector<int64_t> steps_in(const Trace& measured) {
  std::map<int64_t, int64_t> steps;
  for (const auto& lane : measured.lanes)
    for (const auto& [op, begin, end] : lane) {
      if (op.kind == Kind::kForward)
        steps[op.visit.batch] = std::max(steps[op.visit.batch], op.visit.step + 1);
      if (op.kind == Kind::kEncode) steps.emplace(op.visit.batch, 1);
    }
  std::vector<int64_t> all;
  for (const auto& [batch, count] : steps) all.push_back(count);
  return all;
}

void check_programs(const Roles& roles, const std::vector<Program>& programs) {
  simulate(roles, programs, {.compute = [](int, const Op&) { return 0.0; }});
}

}  // namespace trireme
