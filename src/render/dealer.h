// Dealer: which portion of the job this replica makes next. One rank of the replica, its leader,
// claims portions in the output folder, where other replicas, of this run or another, claim theirs;
// it tells the other ranks of its replica, which make the same of them in the same order. It deals
// ahead as long as that leaves a portion to each other replica of the run, and waits for nobody.
// One rank alone deals to itself.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "parallel/group.h"
#include "src/output/claims.h"
#include "src/output/shard_store.h"

namespace trireme {

struct Deal {
  Portion portion;
  std::vector<bool> recorded;  // of its positions
};

struct DealerOptions {
  int leader = 0;  // of the ranks
  std::int64_t portion_size = 1;
  int replicas = 1;      // of this run, which begin at different portions
  int first_choice = 0;  // of what is free at first
};

class Dealer {
 public:
  // `ranks` are the replica's, on hosts, theirs and this dealer's alone. The others must outlive
  // this; only the leader claims.
  Dealer(const ShardStore& store, Claims& claims, Group ranks, DealerOptions options);
  ~Dealer();
  Dealer(const Dealer&) = delete;

  // Collective, in one order: the next portion; nothing once no portion is free, until again().
  std::optional<Deal> next();
  // On the leader: claims and tells of one portion more, if not enough are told of and enough
  // are free.
  void look_ahead();
  void again();  // what is over may not be: portions may have become free

 private:
  using States = std::map<std::string, Claims::State>;  // as the leader last looked

  bool leads() const { return ranks_.rank() == options_.leader; }
  void deal(States states);
  std::optional<Deal> claim(States states);
  std::optional<Deal> claim_in(std::int64_t place, States& states);
  bool enough_are_free(const States& states) const;
  std::vector<bool> recorded_of(const Portion& portion, std::int64_t generation);
  Deal hear();
  void tell(const std::optional<Deal>& deal) const;
  void beat();

  const ShardStore& store_;
  Claims& claims_;
  Group ranks_;
  const DealerOptions options_;
  bool is_over_ = false;
  std::deque<Deal> dealt_;                             // on the leader: told, not taken by next()
  int skip_;                                           // free portions to leave to others, once
  std::int64_t first_place_ = 0;                       // shards before it are sealed
  std::map<std::int64_t, ShardStore::Records> known_;  // of shards, when first looked at

  std::mutex mutex_;
  std::condition_variable end_;
  bool ended_ = false;
  std::thread heart_;  // on the leader
};

}  // namespace trireme
