// EventLog: what happened on one rank, OUT/logs/rank-00000.jsonl, one JSON object a line, each of
// them one write(2) with O_APPEND. Later runs of the job go on in the same file. A line says when
// (`time`, the wall clock's, in UTC, which may jump, and `seconds` since the run began, by a steady
// clock), whose (`run`, which tells runs in one file apart, and `rank`) and what (`event`), and
// then the event's own fields. Long texts are cut; invalid UTF-8 is replaced. Nothing that makes a
// picture is read from here, and no failure to write ends a run. Not for several threads at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "src/report/live_file.h"
#include "src/report/report.h"

namespace trireme {

struct RunStarted {
  std::string host = {};
  std::string device = {};
  int ranks = 1;
  int replica = 0;
  int pid = 0;
  std::string layout = "null";  // JSON
  std::string fingerprint = {};
  std::int64_t samples = 0;                          // that the job asks for
  std::int64_t there = 0;                            // ... of which so many were done before
  std::map<std::string, std::string> versions = {};  // of trireme and what it stands on
};

// A batch is through on this rank. Samples and seconds: what the rank did since it said so last, so
// that they add up to all that it did; what follows the last batch has a line with no batch.
// Batches that end in quick succession share a line.
struct BatchDone {
  std::int64_t batches = 1;
  std::int64_t first = 0;    // index of the first sample
  std::int64_t samples = 0;  // that it brought to an end; 0 where another one writes them
  std::map<std::string, double> seconds = {};
};

struct SampleFailed {
  std::int64_t index = 0;
  std::int64_t row = 0;
  std::string code = {};  // nan, prompt ...
  std::string reason = {};
};

struct ShardClaimed {
  std::int64_t shard = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::int64_t there = 0;  // samples that somebody made before
};

struct ShardSealed {
  std::int64_t shard = 0;
  std::int64_t done = 0;
  std::int64_t failed = 0;
  std::int64_t skipped = 0;
  std::int64_t bytes = 0;
};

struct Warned {
  std::string text = {};
};

struct SignalCame {
  int signal = 0;
};

struct RunEnded {
  int exit_code = 0;
  std::int64_t done = 0;
  std::int64_t failed = 0;
  std::int64_t skipped = 0;
};

// An event of a later version that this one does not know.
struct Unknown {
  std::string event = {};
};

using Event = std::variant<Unknown, RunStarted, BatchDone, SampleFailed, ShardClaimed, ShardSealed,
                           Warned, SignalCame, RunEnded>;

struct LoggedEvent {
  double time = 0;     // seconds since 1970
  double seconds = 0;  // since the run began
  std::string run = {};
  int rank = 0;
  Event event = {};
};

std::string to_line(const LoggedEvent& event);  // without its end
// Nothing for a line that is cut, or is none of ours.
std::optional<LoggedEvent> parse_event(std::string_view line);
// All lines of a log, in order, but those that cannot be read. No file is an empty log.
void read_events(const std::filesystem::path& log,
                 const std::function<void(const LoggedEvent& event)>& take);

// A name for a run: of host, process and a random number. One rank makes it and tells the others,
// because what is drawn of a run goes by its name.
std::string new_run();

struct EventLogOptions {
  std::string run = {};  // empty: one of its own
  int rank = 0;
  double seconds_between_batches = 1;  // batches that end sooner share a line
  Clock now = steady_seconds;
  Clock wall_clock = {};  // seconds since 1970; empty: the system's
  TellFailure tell = {};  // takes, once, why the log cannot be written
};

class EventLog {
 public:
  EventLog(std::filesystem::path path, EventLogOptions options);
  ~EventLog();  // writes a batch that waits
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  void write(const Event& event);
  const std::string& run() const { return options_.run; }

 private:
  bool waits(const BatchDone& batch);
  void write_line(const Event& event);

  EventLogOptions options_;
  AppendedFile file_;
  double begun_;
  std::optional<BatchDone> waiting_ = {};
  std::optional<double> last_batch_ = {};
};

// logs/rank-00000.jsonl
std::filesystem::path log_name(int rank);

// 2026-01-31T23:59:59.250Z
std::string utc(double seconds_since_1970);

}  // namespace trireme
