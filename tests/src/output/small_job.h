// SmallJob: a job that draws nothing and goes through everything, on one thread: identity, taking
// back damage, resuming, claims, portions, recording, sealing, and a file that is replaced in the
// end. What Recorder does on threads is done here step by step, through the same Ledger.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "src/output/ledger.h"

namespace trireme {

inline const std::string kOut = "/out";

struct SmallJob {
  bool is_tar = false;
  std::vector<std::int64_t> indices = {0, 1, 2, 5, 6};  // of shards 0 and 1, four indices each
  std::int64_t failed = 1, skipped = 5;                 // indices
  std::int64_t portion = 2;                             // samples

  StoreOptions store_options() const;
  Finished sample(std::int64_t index) const;  // what the model would have made
};

// As a writer that no other process of this host is.
std::string dead_writer(int number);

// One process: begins or goes on, until all is sealed, or throws. A unit that another holds is
// waited for by looking again, each time a second later.
void run(const SmallJob& job, FileSystem& files, const std::string& writer);

// What users see of an output folder: all but hidden files and .trireme.
std::map<std::string, std::string> visible(const std::map<std::string, std::string>& contents);
bool is_visible(const std::string& path);

}  // namespace trireme
