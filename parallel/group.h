// Group: a value handle on the ranks that communicate. Copied like a shared_ptr, passed in, never
// looked up. A group of one, which is what a default Group is, makes every collective the identity,
// so code for one rank and for many is the same code. All ranks of a group call the same collectives
// in the same order; a rank that fails aborts the transport and the others throw instead of waiting.
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "parallel/split.h"

namespace trireme {

class Transport;

class Group {
 public:
  Group() = default;
  explicit Group(std::shared_ptr<Transport> transport);

  int rank() const;
  int size() const;
  bool alone() const { return size() == 1; }

  // Collective: ranks that give the same color form a group, ordered by key, then by rank here.
  Group split(int color, int key) const;
  // Collective: the group of the ranks named by `ranks`, in that order; a group of one elsewhere.
  Group subset(const std::vector<int>& ranks) const;

  // Sum over the ranks, in rank order; half types are summed in float32. Same shape everywhere.
  at::Tensor all_reduce(const at::Tensor& x) const;
  // Rank r holds split[r] of dimension dim; returns the whole. Other dimensions agree.
  at::Tensor all_gather(const at::Tensor& x, int64_t dim, const Split& split) const;
  // As above where every rank holds as much as this one.
  at::Tensor all_gather(const at::Tensor& x, int64_t dim) const;
  // The root's x. Elsewhere x gives only shape, dtype and device.
  at::Tensor broadcast(const at::Tensor& x, int root) const;
  // Point to point, in posting order for each pair of ranks. `like` gives shape, dtype and device.
  void send(const at::Tensor& x, int to) const;
  at::Tensor receive(const at::Tensor& like, int from) const;
  void barrier() const;

  // Ends every wait of the other ranks of this transport with an Error that quotes `reason`.
  void abort(const std::string& reason) const;

 private:
  std::shared_ptr<Transport> transport_;  // null: one rank
};

// This rank's part of x along dim: what all_gather with the same split undoes.
at::Tensor shard(const at::Tensor& x, int64_t dim, const Split& split, int rank);

}  // namespace trireme
