// Talk: how long ranks take that talk with each other, by kind of collective: latency and bytes
// over the slowest link between them. Links between nodes are shared by all groups that talk over
// them at the same time. A group of one says nothing.
#pragma once

#include <vector>

#include "parallel/plan/cluster.h"

namespace trireme {

class Talk {
 public:
  Talk() = default;
  // Of ranks on these nodes of the cluster. `at_once`: with those, the nodes of all ranks that talk
  // in groups like this one at the same time.
  Talk(const Cluster& cluster, const std::vector<int>& nodes, const std::vector<int>& at_once);

  int ranks() const { return ranks_; }
  bool alone() const { return ranks_ == 1; }

  // Seconds of one collective in which a rank sends so many bytes.
  double reduce_or_gather(double bytes) const;
  double all_to_all(double bytes) const;
  double pass_on(double bytes) const;  // each to the next one of a ring
  double hidden() const { return hidden_; }

 private:
  double latency_ = 0;
  double collective_ = 1, all_to_all_ = 1, pass_on_ = 1;  // bytes/s a rank
  double hidden_ = 1;
  int ranks_ = 1;
};

// Seconds of two things that go on at the same time, of which the shorter one hides in part.
double side_by_side(double a, double b, double hidden);

}  // namespace trireme
