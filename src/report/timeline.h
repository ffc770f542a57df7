// Timeline: what the logs of all ranks and runs say, on one axis of working time. Between runs
// nobody worked, so those times are left out; runs at the same time, of replicas that know nothing
// of each other, lie over each other. Inside a run the steady clock counts; where a run lies is the
// wall clock's word, as far as that can be trusted. No log is an empty timeline.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/report/event_log.h"

namespace trireme {

// load, encode, denoise, decode, write: as Stage counts them.
inline constexpr std::size_t kStages = 5;
using StageSeconds = std::array<double, kStages>;
// The place of a stage by its name; nothing for a name of a later version.
std::optional<std::size_t> stage_place(const std::string& name);

struct TimedRun {
  std::string begun = {};  // UTC
  std::string host = {};
  int ranks = 0;
  double at = 0;       // in working time
  double seconds = 0;  // that it lasted, so far as it is known
  std::int64_t done = 0;
  std::optional<int> exit_code = {};  // none: killed, or under way
};

// Of one rank: which part of each slot it spent in which stage. What is left is waiting.
struct TimedLane {
  int rank = 0;
  std::vector<StageSeconds> parts = {};  // by slot, each 0 to 1
};

struct Timeline {
  double seconds = 0;             // of the whole axis
  std::int64_t samples = 0;       // that the job asks for, as the last run knew
  std::vector<double> rate = {};  // pictures a second, by slot
  std::vector<TimedLane> lanes = {};
  std::vector<TimedRun> runs = {};
  std::map<std::int64_t, SampleFailed> failures = {};
  std::vector<std::string> warnings = {};  // the last ones
};

// Takes events in any order of ranks, each rank's in its own order.
class TimelineMaker {
 public:
  void add(const LoggedEvent& event);
  Timeline finish(std::size_t rate_slots, std::size_t lane_slots, std::size_t most_lanes) const;

 private:
  struct Work {
    int rank;
    const std::string* run;
    double begin, end;  // since its run began
    std::int64_t samples;
    StageSeconds seconds;
  };
  struct Run {
    double begun;  // by the wall clock
    double last = 0;
    std::string host = {};
    int ranks = 0;
    std::int64_t done = 0;
    std::optional<int> exit_code = {};
    std::map<int, double> told = {};  // when each rank spoke of a batch last
  };
  class Axis;

  Run& run_of(const LoggedEvent& event);
  void add_work(const LoggedEvent& event, const BatchDone& batch);
  void fill_rate(Timeline& line, const Axis& axis, std::size_t slots) const;
  void fill_lanes(Timeline& line, const Axis& axis, std::size_t slots, std::size_t most) const;

  std::map<std::string, Run> runs_;
  std::vector<Work> work_;
  std::map<std::int64_t, SampleFailed> failures_;
  std::vector<std::string> warnings_;
  std::int64_t samples_ = 0;
  double samples_known_ = 0;  // when
};

// Of all logs under OUT.
TimelineMaker read_logs(const std::filesystem::path& output);

}  // namespace trireme
