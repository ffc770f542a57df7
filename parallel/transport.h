// Transport: what a Group of more than one rank stands on. Each back end is one file in
// transports/; tensors given here are contiguous and on a device that the back end serves. Every
// wait has a deadline; when it passes, or when a rank aborts, calls throw Error (kUnavailable) with
// rank, peer and operation. Bytes and messages are counted by kind.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "parallel/error.h"

namespace trireme {

// Messages and bytes that a rank has sent, by kind ("all_reduce", "all_gather", "send", ...).
struct Traffic {
  struct Count {
    int64_t messages = 0;
    int64_t bytes = 0;
  };
  std::map<std::string, Count> by_kind;

  void count(const std::string& kind, int64_t messages, int64_t bytes) {
    by_kind[kind].messages += messages;
    by_kind[kind].bytes += bytes;
  }
};

// Bytes of point-to-point transfers that a rank has under way: posted, and neither waited for nor
// dropped. Over all groups of its world, by its one thread.
struct UnderWay {
  int64_t bytes = 0;
  int64_t peak = 0;  // since the last mark

  void add(int64_t more) {
    bytes += more;
    peak = std::max(peak, bytes);
  }
  void mark() { peak = bytes; }
};

struct TransportOptions {
  std::chrono::milliseconds deadline = std::chrono::minutes(10);  // for a single wait
};

// A transfer under way. After wait() a received tensor may be read, a sent one changed. A handle
// that is dropped leaves its transfer under way; the transport keeps the tensor alive.
class Transfer {
 public:
  virtual ~Transfer() = default;
  virtual void wait() = 0;
  virtual bool ready() = 0;  // whether wait() would return at once
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Collective. The new transport shares deadline, abort and traffic counter with this one. Null
  // where color is negative.
  virtual std::shared_ptr<Transport> split(int color, int key) = 0;
  // Collective: a line of its own among the same ranks, for host tensors alone.
  virtual std::shared_ptr<Transport> on_hosts() { return split(0, rank()); }

  // In place: the sum over ranks, the same bits on every rank. Float32, float64 or int64.
  virtual void all_reduce(at::Tensor& x) = 0;
  // all[r] becomes rank r's tensor; shapes may differ and are right on every rank beforehand.
  // all[rank()] already holds this rank's.
  virtual void all_gather(std::vector<at::Tensor>& all) = 0;
  // give[r] goes to rank r, take[r] comes from there; this rank's own are left alone. Sizes may
  // differ, may be zero, and agree between the two ranks.
  virtual void all_to_all(const std::vector<at::Tensor>& give,
                          const std::vector<at::Tensor>& take) = 0;
  virtual void broadcast(at::Tensor& x, int root) = 0;
  // In posting order for each pair of ranks.
  virtual std::unique_ptr<Transfer> start_send(const at::Tensor& x, int to) = 0;
  virtual std::unique_ptr<Transfer> start_receive(const at::Tensor& x, int from) = 0;
  virtual void barrier() = 0;
  // Collective: these (from, to) pairs will have transfers under way that must not wait for others.
  // A back end whose transfers queue behind each other makes a line of its own for each; it changes
  // nothing else.
  virtual void connect(const std::vector<std::pair<int, int>>&) {}

  // Each rank watches over the next one here, which must come to its next operation or wait within
  // the deadline, even if nobody waits for it; or no longer does. A back end that cannot does
  // nothing.
  virtual void watch(bool) {}
  // To be called between operations: errors of the rank that is watched over come from here, and
  // from every wait.
  virtual void pulse() {}

  // Ends every other rank of the world this transport was split from, not only of this group:
  // threads throw Error(exit, reason), processes end with that exit code. With MPI it ends the
  // caller too and does not return.
  virtual void abort(const std::string& reason, Exit exit) = 0;
  // What this rank is at ("stage 1, step 7"): its errors say so from here on, those of all groups
  // of this world too.
  virtual void note(const std::string&) {}
  virtual const Traffic& traffic() const = 0;
};

}  // namespace trireme
