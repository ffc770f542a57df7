// Group: a value handle on the ranks that communicate. Copied like a shared_ptr, passed in, never
// looked up. A group of one, which is what a default Group is, makes every collective the identity,
// so code for one rank and for many is the same code. All ranks of a group call the same
// collectives in the same order; a rank that fails aborts the transport and the others throw
// instead of waiting.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "parallel/error.h"
#include "parallel/split.h"
#include "parallel/transport.h"

namespace trireme {

// A transfer under way and its tensor. Dropping it leaves the transfer under way.
class Pending {
 public:
  Pending(at::Tensor tensor, std::unique_ptr<Transfer> transfer,
          std::shared_ptr<UnderWay> under_way);
  Pending(Pending&&) = default;
  Pending& operator=(Pending&& other) noexcept;
  ~Pending() { leave(); }
  // What was received; what was sent, which may be changed from here on.
  at::Tensor wait();
  // For another rank's work, which may take its time, rather than for the rank: a dead one ends the
  // wait all the same, one that hangs does not.
  at::Tensor wait_without_deadline();
  bool ready() const { return !transfer_ || transfer_->ready(); }  // wait() would return at once

 private:
  void leave();  // is no longer under way

  at::Tensor tensor_;
  std::unique_ptr<Transfer> transfer_;
  std::shared_ptr<UnderWay> under_way_;
};

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

  // Collective: the same ranks with a line of their own for host tensors, whose messages do not
  // queue behind those of other groups.
  Group on_hosts() const;

  // Sum over the ranks, in rank order; half types are summed in float32, and on hosts float32 is
  // rounded once. Same shape and same bits everywhere. A temporary that nobody else holds is summed
  // in place: give it by std::move.
  at::Tensor all_reduce(at::Tensor x) const;
  // Rank r holds split[r] of dimension dim; returns the whole. Other dimensions agree.
  at::Tensor all_gather(const at::Tensor& x, int64_t dim, const Split& split) const;
  // As above where every rank holds as much as this one.
  at::Tensor all_gather(const at::Tensor& x, int64_t dim) const;
  // Trades one cut for another. Rank r holds held[r] of dimension `gathered` and all of dimension
  // `cut`; returns all of the first and kept[rank] of the second. The same with the two swapped
  // undoes it.
  at::Tensor all_to_all(const at::Tensor& x, int64_t gathered, const Split& held, int64_t cut,
                        const Split& kept) const;
  // The root's x. Elsewhere x gives only shape, dtype and device.
  at::Tensor broadcast(const at::Tensor& x, int root) const;
  // Point to point, in posting order for each pair of ranks. `like` gives shape, dtype and device.
  void send(const at::Tensor& x, int to) const { start_send(x, to).wait(); }
  at::Tensor receive(const at::Tensor& like, int from) const {
    return start_receive(like, from).wait();
  }
  // As above without waiting: transfers posted ahead overlap with compute.
  Pending start_send(const at::Tensor& x, int to) const;
  Pending start_receive(const at::Tensor& like, int from) const;
  void barrier() const;
  // Collective, before transfers that are not simply sent one way and received in the same order:
  // on GPUs those without a line of their own queue behind each other, and a send is done when it
  // is received. Each rank to the next, the last to the first (a pipeline); or each with the next
  // both ways (a picture's bands).
  void connect_ring() const;
  void connect_neighbours() const;

  // Ends the other ranks of the world (see Transport); nothing where this group is one rank.
  void abort(const std::string& reason, Exit exit = Exit::kUnavailable) const;
  // From here on each rank watches over the next one (or no longer does): one that hangs is found
  // within twice the deadline though nobody waits for it. Ranks are to call pulse() between what
  // they do.
  void watch(bool on) const;
  void pulse() const;
  // What this rank is at ("stage 1, step 7"): begins the errors of every group of its world from
  // here on. Not a collective; nothing where this group is one rank.
  void note(const std::string& where) const;
  // What this rank has sent since the world was made, over all groups split from it.
  Traffic traffic() const;
  // What it has under way: one value for all groups of its world.
  UnderWay& under_way() const { return *under_way_; }

 private:
  Group(std::shared_ptr<Transport> transport, std::shared_ptr<UnderWay> under_way);
  Transport& peers(const char* operation) const;  // Error (kBug) for a group of one

  std::shared_ptr<Transport> transport_;  // null: one rank
  std::shared_ptr<UnderWay> under_way_ = std::make_shared<UnderWay>();
};

// This rank's part of x along dim: what all_gather with the same split undoes.
at::Tensor shard(const at::Tensor& x, int64_t dim, const Split& split, int rank);

}  // namespace trireme
