// Watch: what the outside hears of one rank while a run goes on: its log, its metrics and, if asked
// for, its trace. The renderer and its writers tell what happens, from any thread; nothing is
// collective, and nothing that goes wrong here ends the run. Owns the three files.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "parallel/schedule/trace.h"
#include "src/report/event_log.h"
#include "src/report/metrics.h"
#include "src/report/report.h"
#include "src/report/trace_file.h"

namespace trireme {

struct WatchOptions {
  std::filesystem::path output = {};  // OUT
  std::string run = {};               // new_run(), the same on all ranks of the world
  int rank = 0;
  int lane = 0;                      // rank of the replica
  RunStarted start = {};             // the log's first line
  std::filesystem::path trace = {};  // of `--trace`; empty: none
  std::function<std::map<std::string, std::int64_t>()> memory_bytes = {};  // by kind, as metrics
  std::function<std::map<std::string, std::int64_t>()> sent_bytes = {};
  TellFailure tell = {};
};

// Samples that this rank brought to an end in this run, as the recorder counts them, and what it
// holds.
struct WatchedCounts {
  std::int64_t done = 0;
  std::int64_t failed = 0;
  std::int64_t skipped = 0;        // found done
  std::int64_t written_bytes = 0;  // of pictures
  std::int64_t waiting = 0;        // made and not yet written
};

class Watch {
 public:
  // The clock is read in calls from the renderer's thread alone: the first group.
  Watch(WatchOptions options, const StageClock& clock);

  void stepped(std::int64_t samples);         // one denoising step each
  void counted(const WatchedCounts& counts);  // so far; as often as one likes: writes due metrics
  // A batch that begins with this sample is through on this rank. What was counted since the last
  // one is told with it.
  void batch_done(std::int64_t first);
  void recorded(const Span& span);  // for RunCallbacks, while one zero of time holds
  void ended(int exit_code);        // the last line, and the last metrics
  void trace_is_whole();            // FILE is there: this rank's part goes

  void sample_failed(const SampleFailed& sample);
  void shard_claimed(const ShardClaimed& shard);
  void shard_sealed(const ShardSealed& shard);
  void warned(const std::string& text);
  void signal_came(int signal);

 private:
  BatchDone since_last_batch();
  void write_metrics();

  WatchOptions options_;
  const StageClock& clock_;
  double begun_ = steady_seconds();
  double moved_ = begun_;  // when something was done last
  std::mutex mutex_;
  EventLog log_;
  MetricsFile metrics_;
  std::optional<TraceFile> trace_ = {};
  RankMetrics counts_ = {};
  std::int64_t told_samples_ = 0;  // in batches
  std::map<std::string, double> told_seconds_ = {};
};

}  // namespace trireme
