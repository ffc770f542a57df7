// ProgramMaker: a rank's program, made as it goes, for as many batches as there are. Every stage
// takes the visits of the batches in one and the same order, the circular one: batches take turns,
// and a batch that is done leaves its turn to the next one at once, whatever the steps of either.
// With at least as many batches in flight as stages no stage waits but at the beginning and the
// end.
//
// Stage s is s turns behind the first one. What ranks of several stages do together, encoding and
// decoding, they do at the same moment and so at different turns of their own. Encoders with ranks
// of their own are a batch ahead, and a VAE with ranks of its own decodes while others go on.
#pragma once

#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "parallel/schedule/program.h"

namespace trireme {

// The steps of the next batch, at least one; nothing after the last.
using NextSteps = std::function<std::optional<int64_t>()>;

// The order in which batches are visited.
class Circular {
 public:
  Circular(int in_flight, NextSteps next_steps)
      : next_steps_(std::move(next_steps)), turns_(static_cast<size_t>(in_flight)) {}

  std::optional<Visit> next();
  // Whether there is a batch of this number; they are asked for one by one.
  bool has(int64_t batch);
  bool is_last_step(Visit visit) const { return visit.step + 1 == steps_.at(visit.batch); }
  void forget(int64_t batch) { steps_.erase(batch); }

 private:
  NextSteps next_steps_;
  std::map<int64_t, int64_t> steps_;  // by batch
  int64_t asked_ = 0;                 // batches that next_steps_ has told of
  bool no_more_ = false;
  int64_t begun_ = 0;
  // The next visit of each batch in flight; nothing where one is to begin, which is asked for then.
  std::deque<std::optional<Visit>> turns_;
};

class ProgramMaker {
 public:
  // Where ranks of several stages encode or decode together there are at least as many batches in
  // flight as stages.
  ProgramMaker(Roles roles, int rank, int in_flight, NextSteps next_steps);

  // The last turn that next() looks at, below turn() if there is none left. Whoever may stop early
  // asks the others about all turns up to it first, by these words: one each turn, and where a
  // batch begins the leader's wait, so that no more than most_open_batches() are open.
  int64_t horizon();
  Program words_before(int64_t turn);
  int64_t turn() const { return turn_; }  // that next() makes
  // Of a turn up to horizon(): what it visits, on a rank that is not behind the first stage.
  std::optional<Visit> visit_of(int64_t turn) const;
  // Stops early, on all ranks before the same turn: batches that are done by then are decoded,
  // messages under way to this rank are taken and dropped.
  void end_before(int64_t turn);
  // What this rank does in the next turn; after the last one, what is left over; then nothing.
  std::optional<Program> next();
  // Of the turn that next() made last; nothing of what was left over.
  std::optional<Visit> visit() const { return visit_; }
  // No batch before this one is named from here on.
  int64_t oldest() const;

 private:
  struct Taken {
    Visit visit;
    int64_t turn;
  };

  int lag() const { return role_.stage > 0 ? role_.stage : 0; }  // behind the first stage
  int64_t looked_at() const;                                     // the first turn that was not
  void look_ahead(int64_t turn);
  std::optional<int64_t> begins_at(int64_t turn) const;  // a batch
  void encode_what_begins(Program& ops);
  void encode(int64_t batch, Program& ops);
  void take(Visit visit, Program& ops);
  void expect_next(Program& ops);
  bool receives(Visit visit) const;
  void decode_what_is_due(Program& ops);
  void decode_before_its_turn(Visit next, Program& ops);
  void decode_next(Program& ops);
  void tell_done(Program& ops);
  void wait_until_done(int64_t batches, Program& ops);
  int64_t done() const { return begun_ - static_cast<int64_t>(open_.size() + undecoded_.size()); }
  void finish(Program& ops);
  void take_what_is_under_way(Program& ops);

  const Roles roles_;
  const Role role_;
  const int stages_;
  const bool ahead_;
  const bool leads_;
  const int most_open_;
  int before_ = -1, after_ = -1;  // ranks of the stages around this one
  bool gives_text_, takes_text_, gives_latents_, takes_latents_;

  Circular circular_;
  std::deque<Visit> visits_;  // from turn_ on (from 0), as far as they were looked at
  int64_t turn_;              // below 0: what is encoded before this stage's first visit
  int64_t horizon_ = -1;      // when next() was called
  int64_t end_ = std::numeric_limits<int64_t>::max();
  bool over_ = false;
  std::optional<Visit> visit_;
  int64_t begun_ = 0;            // batches that this rank has seen begin
  int64_t told_ = 0;             // batches that it told the leader, or was told by all, to be done
  std::deque<Taken> open_;       // of each batch that is not done: its last visit
  std::deque<Taken> undecoded_;  // of each batch that is: its last
};

// All of a program, with the words about turns, if nobody stops before turn `end`.
Program whole_program(ProgramMaker& maker, int64_t end = std::numeric_limits<int64_t>::max());

}  // namespace trireme
