// NcclWatchdog: sees to it that no rank waits for ever in its device, where nothing ends a wait by
// itself. One for each process world; a thread of its own looks at the operations under way, at
// every communicator's state and at the deadline, which counts from an operation's turn on its
// stream. What it finds while the host waits here is thrown there. Otherwise nobody else could
// tell: it says where this rank stands, aborts the communicators and ends the process.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/error.h"
#include "parallel/transports/nccl_library.h"
#include "parallel/transports/nccl_operation.h"
#include "parallel/transports/place.h"

namespace trireme {

// How a rank ends that the watchdog found broken; _exit, but in tests.
using EndRank = std::function<void(Exit)>;

class NcclWatchdog {
 public:
  NcclWatchdog(std::shared_ptr<NcclLibrary> library, const Place& place,
               std::chrono::milliseconds deadline, EndRank end);
  ~NcclWatchdog();
  NcclWatchdog(const NcclWatchdog&) = delete;
  NcclWatchdog& operator=(const NcclWatchdog&) = delete;

  bool failed() const { return failed_; }
  void expect_sound() const;  // throws what was found

  // A communicator is looked after from guard() to let_go(), which gives its work, and what others
  // still need of it, a moment to end.
  void guard(NcclComm comm);
  void let_go(NcclComm comm) noexcept;
  void hurry() {
    in_order_ = false;
  }  // this rank is breaking off: nothing gets that moment any more
  NcclAnswer state(NcclComm comm) const;  // the library's, one thread at a time

  // An operation is in the ring of the last events from begin() on, and watched from enqueued() on,
  // when its stream, events and tensors are set.
  std::shared_ptr<NcclOperation> begin(NcclOperation operation);
  void enqueued(const std::shared_ptr<NcclOperation>& operation);
  void finished(NcclOperation& operation);  // what only the host waited for
  void release(NcclOperation& operation);   // its tensors are safe by other means

  // On the host, until over(); throws what is found meanwhile, also that this takes too long.
  void wait(const std::shared_ptr<NcclOperation>& operation, const std::function<bool()>& over);
  // The host itself found that a call failed. Aborts all communicators and throws.
  [[noreturn]] void fail(const NcclOperation& operation, const std::string& error);
  // This rank ends for another reason.
  void stop(const std::string& reason, Exit exit);

 private:
  struct Failure {
    Exit exit;
    std::string text;
  };
  using Held = std::unique_lock<std::mutex>;
  using Time = NcclOperation::Time;

  void run();
  std::optional<Failure> judge(Time now);
  void advance(Time now);
  bool is_late(const NcclOperation& operation, Time now) const;
  Failure late(const NcclOperation& operation, Time since, Time now) const;
  const NcclOperation& cause_of(const NcclOperation& host_wait) const;
  Failure broken(NcclComm comm, const std::string& error) const;
  Failure broken(const NcclOperation& operation, const std::string& error) const;
  bool ends_in_time(NcclComm comm);
  bool flushed(NcclComm comm);
  bool idle(NcclComm comm);
  std::string last_operations(Time now) const;
  void fail_as(Held& held, Failure failure);
  void abort_all();
  void end(std::vector<NcclComm> comms, bool flushed) noexcept;

  const std::shared_ptr<NcclLibrary> library_;
  const Place& place_;
  const std::chrono::milliseconds deadline_;
  const EndRank end_;

  mutable std::mutex lock_;
  std::condition_variable changed_;
  std::atomic<bool> failed_ = false, in_order_ = true, device_hangs_ = false;
  std::optional<Failure> failure_;
  bool stopped_ = false;
  std::vector<NcclComm> comms_;
  std::map<DeviceStream, std::deque<std::shared_ptr<NcclOperation>>> under_way_;  // in their order
  std::shared_ptr<NcclOperation> host_wait_;
  Time last_progress_;
  std::deque<std::shared_ptr<NcclOperation>> ring_;
  int64_t count_ = 0;
  std::thread thread_;
};

}  // namespace trireme
