// Recorder: brings finished samples to the disk while the caller goes on: threads of its own encode
// them, one commits them and keeps the journals, one seals shards. At most so many samples, and so
// many bytes of them, wait; then put() does. What is put is durable when finish() returns, and
// usually long before; a kill costs what waits, which is why it is little. One a replica, on the
// rank that writes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/output/claims.h"
#include "src/output/ledger.h"
#include "src/output/shard_store.h"

namespace trireme {

struct RecorderOptions {
  std::string writer = {};              // names its journals
  int encoders = 2;                     // threads
  std::int64_t most_samples = 4;        // that wait
  std::int64_t most_bytes = 256 << 20;  // of them, or one sample
  // From any thread: a sample is durable, a shard is sealed (its place).
  std::function<void(const SampleRecord& record)> recorded = [](const SampleRecord&) {};
  std::function<void(std::int64_t place)> sealed = [](std::int64_t) {};
};

class Recorder {
 public:
  // All must outlive this; `claims` may be none's but this process's.
  Recorder(FileSystem& files, const ShardStore& store, Claims& claims, RecorderOptions options);
  ~Recorder();
  Recorder(const Recorder&) = delete;

  // What follows is of this portion too, of which so many samples are recorded already.
  void begin(const Portion& portion, std::int64_t portion_size, std::int64_t recorded);
  // `finish` is called on another thread, once; `bytes` is what it holds. Rethrows what went wrong
  // meanwhile.
  void put(std::function<Finished()> finish, std::int64_t bytes);
  // All that was put is durable, and what could be sealed is.
  void finish();

  std::int64_t written_bytes() const;                        // of files
  Verdicts recorded() const;                                 // by this, so far
  std::int64_t waiting() const;                              // samples
  double seconds_waited() const { return seconds_waited_; }  // by put()

 private:
  struct Job {
    std::function<Finished()> finish;
    std::int64_t bytes;
  };
  struct Done {
    Finished sample;
    std::int64_t bytes;
  };
  void run(void (Recorder::*work)());
  void encode();
  void commit_all();
  void seal_all();
  void want_sealed(const std::vector<std::int64_t>& places);
  void rethrow_locked();

  const ShardStore& store_;
  const RecorderOptions options_;
  Ledger ledger_;
  double seconds_waited_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::deque<Done> done_;
  std::deque<std::int64_t> to_seal_;  // places of shards
  std::int64_t waiting_bytes_ = 0;
  std::int64_t at_work_ = 0;  // samples that were put and are not durable, and shards to seal
  std::int64_t samples_ = 0;  // of these
  std::int64_t written_bytes_ = 0;
  Verdicts recorded_;
  std::exception_ptr failure_;
  bool over_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace trireme
