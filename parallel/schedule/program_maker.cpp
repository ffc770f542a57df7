#include "parallel/schedule/program_maker.h"

#include <algorithm>

namespace trireme {
namespace {

using Kind = Op::Kind;

// The rank at the same place of another stage.
int counterpart(const Roles& roles, int rank, int stage) {
  const auto found = std::find_if(roles.begin(), roles.end(), [&](const Role& role) {
    return role.stage == stage && role.place == roles[rank].place;
  });
  return static_cast<int>(found - roles.begin());
}

template <class Predicate>
bool any(const Roles& roles, Predicate predicate) {
  return std::any_of(roles.begin(), roles.end(), predicate);
}

}  // namespace

bool Circular::has(int64_t batch) {
  while (asked_ <= batch && !no_more_) {
    const auto steps = next_steps_();
    no_more_ = !steps;
    if (steps) steps_[asked_++] = *steps;
  }
  return batch < asked_;
}

std::optional<Visit> Circular::next() {
  while (!turns_.empty()) {
    auto visit = turns_.front();
    turns_.pop_front();
    if (!visit && has(begun_)) visit = Visit{begun_++, 0};
    if (!visit) continue;
    if (is_last_step(*visit)) {
      turns_.emplace_back();
    } else {
      turns_.push_back(Visit{visit->batch, visit->step + 1});
    }
    return visit;
  }
  return std::nullopt;
}

ProgramMaker::ProgramMaker(Roles roles, int rank, int in_flight, NextSteps next_steps)
    : roles_(std::move(roles)),
      role_(roles_[rank]),
      stages_(stage_count(roles_)),
      ahead_(encodes_ahead(roles_)),
      leads_(rank == leader_of(roles_)),
      most_open_(most_open_batches(roles_, in_flight)),
      circular_(in_flight, std::move(next_steps)),
      turn_(role_.encodes ? -lag() : 0) {
  const int last = stages_ - 1;
  if (role_.stage >= 0 && stages_ > 1) {
    before_ = counterpart(roles_, rank, role_.stage == 0 ? last : role_.stage - 1);
    after_ = counterpart(roles_, rank, role_.stage == last ? 0 : role_.stage + 1);
  }
  gives_text_ =
      role_.encodes && any(roles_, [](const Role& r) { return r.stage >= 0 && !r.encodes; });
  takes_text_ =
      role_.stage >= 0 && !role_.encodes && any(roles_, [](const Role& r) { return r.encodes; });
  gives_latents_ = role_.stage >= 0 && role_.stage == last &&
                   any(roles_, [&](const Role& r) { return r.decodes && r.stage != last; });
  takes_latents_ = role_.decodes && stages_ > 0 && role_.stage != last;
}

int64_t ProgramMaker::looked_at() const {
  return std::max<int64_t>(turn_, 0) + static_cast<int64_t>(visits_.size());
}

void ProgramMaker::look_ahead(int64_t turn) {
  while (looked_at() <= std::min(turn, end_ - 1)) {
    const auto visit = circular_.next();
    if (!visit) return;
    visits_.push_back(*visit);
  }
}

// A later stage hears of the next turn before it posts the receive for it: the first one has come
// to that turn by then, unless all ranks still have to decode something together. Where a batch
// begins it has come as far as this stage lags behind, near the end it has not.
int64_t ProgramMaker::horizon() {
  look_ahead(turn_ + lag());
  int64_t ahead = undecoded_.empty() ? std::min(lag(), 1) : 0;
  if (role_.encodes && begins_at(turn_ + lag())) ahead = lag();
  return std::min(turn_ + ahead, looked_at() - 1);
}

std::optional<int64_t> ProgramMaker::begins_at(int64_t turn) const {
  const auto at = static_cast<size_t>(turn - std::max<int64_t>(turn_, 0));
  if (at >= visits_.size() || visits_[at].step > 0) return std::nullopt;
  return visits_[at].batch;
}

std::optional<Visit> ProgramMaker::visit_of(int64_t turn) const {
  const auto at = static_cast<size_t>(turn - std::max<int64_t>(turn_, 0));
  return at < visits_.size() ? std::optional(visits_[at]) : std::nullopt;
}

void ProgramMaker::end_before(int64_t turn) {
  end_ = turn;
  while (!visits_.empty() && looked_at() > end_) visits_.pop_back();
}

Program ProgramMaker::words_before(int64_t turn) {
  Program words;
  const auto begins = leads_ ? begins_at(turn) : std::nullopt;
  if (begins) wait_until_done(*begins + 1 - most_open_, words);
  words.push_back({Kind::kTurn, {-1, turn}});
  return words;
}

std::optional<Program> ProgramMaker::next() {
  if (over_) return std::nullopt;
  Program ops;
  horizon_ = horizon();
  visit_.reset();
  if (visits_.empty()) {
    over_ = true;
    finish(ops);
    return ops;
  }
  if (turn_ >= 0) decode_before_its_turn(visits_.front(), ops);
  if (role_.encodes) encode_what_begins(ops);
  if (turn_ >= 0) {
    visit_ = visits_.front();
    take(*visit_, ops);
    decode_what_is_due(ops);
    visits_.pop_front();
  }
  tell_done(ops);
  ++turn_;
  return ops;
}

// Batches are encoded when the first stage begins them, or the batch before them.
void ProgramMaker::encode_what_begins(Program& ops) {
  const auto begins = begins_at(turn_ + lag());
  if (!begins) return;
  const auto batch = *begins;
  if (ahead_ && batch == 0) encode(0, ops);
  if (!ahead_) encode(batch, ops);
  if (ahead_ && circular_.has(batch + 1)) encode(batch + 1, ops);
}

void ProgramMaker::encode(int64_t batch, Program& ops) {
  ops.push_back({Kind::kEncode, {batch, 0}});
  if (gives_text_) ops.push_back({Kind::kGiveText, {batch, 0}});
}

// What comes back to the first stage are the latents of the step before.
bool ProgramMaker::receives(Visit visit) const {
  return stages_ > 1 && (role_.stage > 0 || visit.step > 0);
}

// A batch must have begun for its shapes to be known. The first stage may look at a turn that is
// not taken: its message is under way all the same.
void ProgramMaker::expect_next(Program& ops) {
  if (role_.stage == 0) look_ahead(turn_ + 1);
  const bool known = role_.stage == 0 || horizon_ > turn_;
  if (!known || visits_.size() < 2) return;
  const auto next = visits_[1];
  if (next.step > 0 && receives(next)) ops.push_back({Kind::kExpect, next, before_});
}

void ProgramMaker::take(Visit visit, Program& ops) {
  const bool done = circular_.is_last_step(visit), last_stage = role_.stage == stages_ - 1;
  if (visit.step == 0) ++begun_;
  if (role_.decodes && done) undecoded_.push_back({visit, turn_});
  if (done) circular_.forget(visit.batch);
  std::erase_if(open_, [&](const Taken& open) { return open.visit.batch == visit.batch; });
  if (!done) open_.push_back({visit, turn_});
  if (role_.stage < 0) return;
  if (visit.step == 0 && takes_text_) ops.push_back({Kind::kTakeText, visit});
  if (visit.step == 0) ops.push_back({Kind::kBegin, visit});
  if (receives(visit)) ops.push_back({Kind::kReceive, visit, before_});
  expect_next(ops);
  ops.push_back({Kind::kForward, visit});
  if (last_stage) ops.push_back({Kind::kStep, visit});
  if (stages_ > 1 && !(last_stage && done)) ops.push_back({Kind::kSend, visit, after_});
  if (gives_latents_ && done) ops.push_back({Kind::kGiveLatents, visit});
}

// At the moment when the last stage is done with it; a rank that does nothing else may come early.
void ProgramMaker::decode_what_is_due(Program& ops) {
  const bool nothing_else = role_.stage < 0 && !role_.encodes;
  const int behind = nothing_else ? 0 : std::max(stages_ - 1 - lag(), 0);
  while (!undecoded_.empty() && undecoded_.front().turn + behind <= turn_) decode_next(ops);
}

// Near the end, with fewer batches in flight than stages, a turn may need what the last stage does
// after it has decoded.
void ProgramMaker::decode_before_its_turn(Visit next, Program& ops) {
  for (const auto& open : open_)
    if (open.visit.batch == next.batch)
      while (!undecoded_.empty() && undecoded_.front().turn < open.turn) decode_next(ops);
}

void ProgramMaker::decode_next(Program& ops) {
  const auto visit = undecoded_.front().visit;
  undecoded_.pop_front();
  if (takes_latents_) ops.push_back({Kind::kTakeLatents, visit});
  ops.push_back({Kind::kDecode, visit});
}

int64_t ProgramMaker::oldest() const {
  auto oldest = begun_;
  for (const auto& taken : open_) oldest = std::min(oldest, taken.visit.batch);
  for (const auto& taken : undecoded_) oldest = std::min(oldest, taken.visit.batch);
  return oldest;
}

void ProgramMaker::tell_done(Program& ops) {
  while (!leads_ && told_ < done()) ops.push_back({Kind::kDone, {-1, told_++}});
}

void ProgramMaker::wait_until_done(int64_t batches, Program& ops) {
  while (roles_.size() > 1 && told_ < batches) ops.push_back({Kind::kWait, {-1, told_++}});
}

void ProgramMaker::finish(Program& ops) {
  while (!undecoded_.empty()) decode_next(ops);
  take_what_is_under_way(ops);
  tell_done(ops);
  if (leads_) wait_until_done(done(), ops);
}

// Only where the end came early.
void ProgramMaker::take_what_is_under_way(Program& ops) {
  if (turn_ <= 0 || end_ == std::numeric_limits<int64_t>::max()) return;
  if (role_.stage == 0 && stages_ > 1)
    for (const auto& [last, turn] : open_)
      ops.push_back({Kind::kReceive, {last.batch, last.step + 1}, before_});
  if (takes_text_ && ahead_ && circular_.has(begun_)) ops.push_back({Kind::kTakeText, {begun_, 0}});
}

}  // namespace trireme
