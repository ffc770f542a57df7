// Tally: how far all replicas are, known to the world's first rank while they work. One rank of
// each replica tells its counts, the world's first hears what has arrived; nobody waits but at the
// end. Without other replicas it is this one's counts.
#pragma once

#include <functional>
#include <vector>

#include "parallel/group.h"
#include "src/report/progress.h"

namespace trireme {

class Tally {
 public:
  // `tellers`: the rank of each replica that tells.
  Tally(const Group& world, std::vector<int> tellers);

  // This replica's counts, so far or (once) at its end. Sends nothing from ranks that are no
  // tellers, and what is not the end only now and then.
  void tell(const ProgressCounts& counts, bool end = false);

  // On the world's first rank: the sum of what is known, and whether all replicas have told their
  // end.
  ProgressCounts heard();
  bool complete();
  // Collective: until all replicas have told their end, however long one of them works. The world's
  // first rank calls `meanwhile` now and then.
  void wait_until_complete(const std::function<void()>& meanwhile);

 private:
  struct Replica {
    int rank;  // that tells, in the world
    ProgressCounts counts;
    bool ended = false;
    std::vector<Pending> letter;  // the next one, expected; none after the end
  };
  void expect(Replica& replica) const;
  void listen();

  Group world_;
  bool tells_;
  double last_told_ = 0;
  std::vector<Replica> replicas_;  // on the world's first rank
};

}  // namespace trireme
