#include "parallel/schedule/program.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/schedule/program_maker.h"
#include "parallel/schedule/simulate.h"

namespace trireme {

int stage_count(const Roles& roles) {
  int last = -1;
  for (const auto& role : roles) last = std::max(last, role.stage);
  return last + 1;
}

std::vector<int> ranks_of_stage(const Roles& roles, int stage) {
  std::vector<int> ranks;
  for (int rank = 0; rank < static_cast<int>(roles.size()); ++rank)
    if (roles[rank].stage == stage) ranks.push_back(rank);
  return ranks;
}

int leader_of(const Roles& roles) {
  const auto of_first_stage = [](const Role& role) { return role.stage == 0 && role.place == 0; };
  const auto encodes = [](const Role& role) { return role.encodes; };
  const auto decodes = [](const Role& role) { return role.decodes; };
  auto leader = std::find_if(roles.begin(), roles.end(), of_first_stage);
  if (leader == roles.end()) leader = std::find_if(roles.begin(), roles.end(), encodes);
  if (leader == roles.end()) leader = std::find_if(roles.begin(), roles.end(), decodes);
  return static_cast<int>(leader - roles.begin());
}

int batches_in_flight(const Roles& roles) {
  const int stages = stage_count(roles);
  return stages > 1 ? stages + 1 : 1;
}

int most_open_batches(const Roles& roles, int in_flight) {
  return in_flight + std::max(in_flight, stage_count(roles));
}

bool encodes_ahead(const Roles& roles) {
  const auto any = [&](auto predicate) {
    return std::any_of(roles.begin(), roles.end(), predicate);
  };
  return stage_count(roles) > 0 && any([](const Role& role) { return role.encodes; }) &&
         !any([](const Role& role) { return role.encodes && role.stage >= 0; });
}

Program whole_program(ProgramMaker& maker, int64_t end) {
  Program program;
  for (int64_t heard = -1; true;) {
    const auto horizon = maker.horizon();
    while (heard < std::min(horizon, end)) {
      const auto words = maker.words_before(++heard);
      program.insert(program.end(), words.begin(), words.end());
    }
    if (horizon >= end) maker.end_before(end);
    const auto turn = maker.next();
    if (!turn) return program;
    program.insert(program.end(), turn->begin(), turn->end());
  }
}

std::vector<Program> make_programs(const Roles& roles, int in_flight,
                                   const std::vector<int64_t>& steps) {
  std::vector<Program> programs;
  for (int rank = 0; rank < static_cast<int>(roles.size()); ++rank) {
    auto batch = steps.begin();
    ProgramMaker maker(roles, rank, in_flight, [&] {
      return batch == steps.end() ? std::nullopt : std::optional<int64_t>(*batch++);
    });
    programs.push_back(whole_program(maker));
  }
  check_programs(roles, programs);
  return programs;
}

const char* to_string(Op::Kind kind) {
  switch (kind) {
    case Op::Kind::kTurn:
      return "turn";
    case Op::Kind::kDone:
      return "done";
    case Op::Kind::kWait:
      return "wait";
    case Op::Kind::kEncode:
      return "encode";
    case Op::Kind::kGiveText:
      return "give text";
    case Op::Kind::kTakeText:
      return "take text";
    case Op::Kind::kBegin:
      return "begin";
    case Op::Kind::kExpect:
      return "expect";
    case Op::Kind::kReceive:
      return "receive";
    case Op::Kind::kForward:
      return "forward";
    case Op::Kind::kStep:
      return "step";
    case Op::Kind::kSend:
      return "send";
    case Op::Kind::kGiveLatents:
      return "give latents";
    case Op::Kind::kTakeLatents:
      return "take latents";
    case Op::Kind::kDecode:
      return "decode";
  }
  return "?";
}

std::string to_string(const Op& op) {
  const auto peer = op.peer >= 0 ? fmt::format(", rank {}", op.peer) : "";
  return fmt::format("{} batch {} step {}{}", to_string(op.kind), op.visit.batch, op.visit.step,
                     peer);
}

}  // namespace trireme
