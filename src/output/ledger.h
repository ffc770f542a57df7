// Ledger: the disk's side of a Recorder: commits samples, keeps journals, tells which shards may be
// sealed and seals them. Each call does its work on the caller's thread and is durable when it
// returns, so a test can drive it step by step; no threads of its own. begin(), record() and seal()
// may be called by three threads at once, each of them by one.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "src/output/claims.h"
#include "src/output/journal.h"
#include "src/output/shard_store.h"

namespace trireme {

// A sample made ready to be written: its record without file, bytes and sha256, and the bytes of
// its members in order; of single files there is one member, which is the file.
struct Finished {
  SampleRecord record;
  std::string bytes;
};

// Fills in file, bytes and sha256 of a sample that is done.
void sum_sample(Finished& sample, const ShardStore& store);

class Ledger {
 public:
  // All must outlive this. `writer` names its journals.
  Ledger(FileSystem& files, const ShardStore& store, Claims& claims, std::string writer);

  // What follows is of this portion too, of which so many samples are recorded already. Places of
  // shards that may be sealed now: none, or the portion's where it is complete.
  std::vector<std::int64_t> begin(const Portion& portion, std::int64_t portion_size,
                                  std::int64_t recorded);
  // Makes samples that were summed durable, with one sync of each folder and each journal, and
  // empties their bytes.
  void record(std::vector<Finished*> samples);
  // The sample is recorded: where that ends a portion, places of shards that may be sealed now.
  std::vector<std::int64_t> count(std::int64_t index);
  // Whether the shard is sealed now.
  bool seal(std::int64_t place);

 private:
  struct OpenPortion {
    Portion portion;
    std::int64_t size;  // of the shard's portions
    std::int64_t left;
  };

  std::int64_t place_of(std::int64_t index) const;
  void commit_files(const std::vector<Finished*>& samples);
  JournalWriter& journal(std::int64_t place);
  std::vector<std::int64_t> end_portion(const OpenPortion& ended);

  FileSystem& files_;
  const ShardStore& store_;
  Claims& claims_;
  const std::string writer_;

  std::mutex mutex_;
  std::map<std::int64_t, OpenPortion> portions_;    // by first position
  std::map<std::int64_t, JournalWriter> journals_;  // by place; record()'s own
};

}  // namespace trireme
