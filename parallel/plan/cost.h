// Cost: how long each operation of a rank's program takes, as a sum of named terms. The simulator
// (parallel/schedule/simulate.h) runs the programs on these, so what is predicted is what will run.
// What layers cost stands in effort.h, what talk costs in talk.h; here they become operations.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "parallel/plan/cluster.h"
#include "parallel/plan/effort.h"
#include "parallel/plan/layout.h"
#include "parallel/plan/workload.h"
#include "parallel/schedule/simulate.h"

namespace trireme {

struct Term {
  const char* name;  // "matrix products", "attention", "sums over tensor", ...
  double seconds;
};
using Terms = std::vector<Term>;
double sum(const Terms& terms);
Terms terms_of(const Effort& effort);  // those that are not nothing

// What operations cost in one replica of a layout, for batches of one shape. Ranks of a stage, of
// the encoders or of the VAE work together: the slowest of them, and the one that holds most, says
// how long all take.
class OperationCosts {
 public:
  // `first_rank`: of the replica in the cluster.
  OperationCosts(const Workload& workload, const Shape& shape, const Layout& layout,
                 const Cluster& cluster, int first_rank);

  // Of a rank of the replica. A rank that has no part in it: no terms.
  Terms encode(int rank) const;   // the texts of a batch, repeated ones not counted
  Terms begin(int rank) const;    // a batch: what does not change between steps
  Terms forward(int rank) const;  // one evaluation of its stage's blocks, talk inside the stage too
  Terms step(int rank) const;     // guidance and the scheduler
  Terms decode(int rank) const;   // the pictures of a batch
  Terms load(int rank) const;     // weights from files

  // The same as one number, by a table.
  double seconds(Op::Kind kind, int rank) const;
  double load_seconds(int rank) const { return by_rank_[rank][kLoad]; }

  // What stands behind encode(), begin(), forward() and decode(), with FLOPs and bytes.
  enum Work { kEncode, kBegin, kForward, kStep, kDecode, kLoad };
  const Effort& effort(Work work, int rank) const;

  // Seconds until what a rank sends has arrived: activations, text, latents.
  double transfer(int from, const Op& send) const;

  Costs costs() const;  // for simulate(); must not outlive this

 private:
  // Of ranks that do the same.
  struct Share {
    Effort effort = {};
    double moving = 0;  // weights that wait on the host or in files
    double seconds() const { return effort.seconds() + moving; }
  };
  struct Stage {
    Share begin, forward, step;
    double weight_bytes = 0;
  };
  struct Bytes {
    double text = 0, activations = 0, latents = 0;  // of a message
  };

  std::vector<int> nodes_of(const std::vector<int>& ranks) const;
  std::vector<const Rates*> kinds_of(const std::vector<int>& ranks) const;
  Talk talk(const std::vector<int>& ranks, const std::vector<int>& at_once) const;
  Setting place(int stage, const Workload& workload, const Shape& shape, const Rates& rates) const;
  Stage stage_of(int stage, const Setting& place, const Workload& workload, Part blocks) const;
  Effort step_of(int stage, const Setting& place, const Workload& workload,
                 const Shape& shape) const;
  void add_encoders(const Workload& workload);
  void add_stages(const Workload& workload, const Shape& shape);
  void add_decoder(const Workload& workload, const Shape& shape);
  void add_moving();
  void add_messages(const Workload& workload, const Shape& shape);
  void add_table();
  const Share* share(Work work, int rank) const;
  Terms terms(Work work, int rank) const;

  const Layout layout_;
  const Cluster& cluster_;
  const Roles roles_;
  std::vector<int> nodes_;  // of each rank of the replica
  Share encode_, decode_;
  double encoder_bytes_ = 0, decoder_bytes_ = 0;  // of weights, on each of their ranks
  std::vector<Stage> stages_;
  Bytes bytes_;
  std::vector<std::array<double, 6>> by_rank_;  // seconds, by Work
};

}  // namespace trireme
