// Turns: whether the ranks of a replica take their next turn, so that all of them stop before the
// same one though each hears of a wish to stop at a time of its own. One rank decides: the first to
// come to a turn. The others wait for its word; a wish to stop reaches it by letter, and a word for
// each batch that a rank is done with, so that it begins no more of them than the slowest rank can
// follow. One rank decides for itself.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "parallel/group.h"

namespace trireme {

class Turns {
 public:
  // Collective: until all are here, however long one of them loads. `group` is theirs alone.
  // `stops_before`: asked on the leader, once somebody wants to stop, whether this turn is the one.
  Turns(
      Group group, int leader,
      std::function<bool(int64_t turn)> stops_before = [](int64_t) { return true; });

  // All ranks ask for every turn, from 0 on, until one is not taken or there is none left.
  bool is_taken(int64_t turn, bool wants_to_stop);
  // Each rank but the leader: that it is done with one batch more.
  void tell_done() const { tell(leader_, kBatchDone); }
  // The leader: until each other rank is done with so many, however long its disk takes.
  void wait_until_done(int64_t batches);
  // Collective, at the end: until all have come to it, however long one of them works.
  void finish();

 private:
  enum Letter : int64_t { kEnd, kStop, kGoOn, kBatchDone };

  bool leads() const { return group_.rank() == leader_; }
  bool decide(int64_t turn, bool wants_to_stop);
  bool hear(bool wants_to_stop);
  void read_what_came();
  void read(int rank, int64_t letter);
  void tell(int rank, Letter letter) const;
  void expect_from(int rank);
  void meet();

  Group group_;
  int leader_;
  std::function<bool(int64_t turn)> stops_before_;
  bool wanted_ = false;  // on the leader: somebody wants to stop
  int64_t asked_ = 0;    // turns whose answer is known: all taken
  bool told_ = false;    // the leader of our wish
  bool stopped_ = false;
  // On the leader, by rank: the next letter, if one is expected, and batches done.
  std::vector<std::vector<Pending>> letters_;
  std::vector<int64_t> done_by_;
};

}  // namespace trireme
