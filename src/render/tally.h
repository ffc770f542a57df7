// Tally: how far all replicas are, known to the world's first rank while they work. Each replica's
// first rank tells its counts, the world's hears what has arrived; nobody waits. Without other
// replicas it is this one's counts.
#pragma once

#include <vector>

#include "parallel/group.h"
#include "src/report/progress.h"

namespace trireme {

class Tally {
 public:
  // Replicas are equal runs of the world's ranks.
  Tally(const Group& world, int replicas);

  // This replica's counts, so far or (once) at its end. Sends nothing from ranks that are not the
  // first of their replica, and what is not the end only now and then.
  void tell(const ProgressCounts& counts, bool end = false);

  // On the world's first rank: the sum of what is known, and whether all replicas have told their
  // end.
  ProgressCounts heard();
  bool complete();

 private:
  struct Replica {
    int rank;  // its first, in the world
    ProgressCounts counts;
    bool ended = false;
    std::vector<Pending> letter;  // the next one, expected; none after the end
  };
  void expect(Replica& replica) const;
  void listen();

  Group world_;
  bool leads_;  // this rank is the first of its replica
  double last_told_ = 0;
  std::vector<Replica> replicas_;  // on the world's first rank, which is the first of them
};

}  // namespace trireme
