// Status: how far the job of an output folder is, told from its files while runs are at work as
// well as afterwards. It writes nothing and holds nothing up. What is done is counted in manifests
// and journals. How fast it goes is from the logs, by the steady clock of each rank: of the time
// that the rank's last lines tell of, so a rank that hangs keeps its rate until it is taken for
// dead. Nothing rests on clocks of different hosts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "src/output/claims.h"
#include "src/output/file_system.h"
#include "src/output/output_job.h"
#include "src/output/record.h"

namespace trireme {

// One rank in its last run, as far as the end of its log tells.
struct RankStatus {
  int rank = 0;
  std::string run = {};
  std::string host = {};
  std::string device = {};
  std::optional<int> exit_code = {};  // once it has ended
  double seconds = 0;                 // since its run began, at its last line
  double paced_seconds = 0;           // of which these ...
  std::int64_t paced_samples = 0;     // ... brought so many to an end; 0: another rank writes them

  std::optional<double> images_per_hour() const;
};

struct Status {
  std::int64_t total = 0;
  Verdicts verdicts = {};
  std::int64_t shards_done = 0;
  std::int64_t shards_open = 0;
  std::optional<double> images_per_hour = {};
  std::map<std::string, std::int64_t> failures = {};  // by code
  std::vector<RankStatus> ranks = {};
  std::vector<ClaimSeen> claims = {};

  bool complete() const { return shards_open == 0; }
  // A claim is held by somebody who is not known to be dead.
  bool at_work() const;
  // Nothing where there is no rate to go by.
  std::optional<double> seconds_left() const;
  // Of the ranks that write samples, where there are several.
  std::optional<int> slowest_rank() const;
};

nlohmann::ordered_json to_json(const Status& status);
// For people: a few lines, each with its end.
std::string in_words(const Status& status);

class StatusReader {
 public:
  // Error: as read_output_job().
  StatusReader(FileSystem& files, std::filesystem::path out);

  // May be asked again and again; what is sealed is read once.
  Status look();

 private:
  void look_at_shard(std::int64_t place, Status& status);
  void look_at_open_shard(std::int64_t place, Status& status) const;

  struct Sealed {
    Verdicts verdicts;
    std::map<std::string, std::int64_t> failures;
  };

  FileSystem& files_;
  std::filesystem::path out_;
  OutputJob job_;
  ShardStore store_;
  std::map<std::int64_t, Sealed> sealed_;
};

// The last runs of all ranks, by the ends of their logs.
std::vector<RankStatus> read_rank_status(const std::filesystem::path& out);

}  // namespace trireme
