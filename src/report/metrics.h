// Metrics of one rank as a Prometheus text file, OUT/metrics/rank-00000.prom, for the textfile
// collector of the node exporter (link it into that one's folder). The collector takes no times,
// and clocks of hosts differ, so what is told of time are seconds of a steady clock: a rank whose
// trireme_uptime_seconds stands still while trireme_up is 1 hangs or was killed. Every line has the
// rank and the output folder as labels, so that files of several ranks and jobs lie in one folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "src/report/live_file.h"
#include "src/report/report.h"

namespace trireme {

// Counters are of this run of this rank; they begin at zero with the process.
struct RankMetrics {
  std::string output = {};  // a label
  int rank = 0;             // a label
  int replica = 0;
  std::string version = {};
  std::string host = {};
  std::string device = {};
  std::string fingerprint = {};  // of the job

  std::optional<int> exit_code = {};  // once it has ended
  double uptime_seconds = 0;          // since the run began
  double since_progress_seconds = 0;  // since a batch, a step or a picture was done
  std::int64_t job_samples = 0;       // that the whole job asks for
  std::int64_t done = 0;              // pictures that this rank wrote
  std::int64_t failed = 0;
  std::int64_t skipped = 0;  // found done
  std::int64_t steps = 0;    // denoising steps, summed over pictures
  std::int64_t batches = 0;
  std::int64_t written_bytes = 0;     // of pictures
  std::int64_t waiting_pictures = 0;  // made and not yet written
  std::int64_t shards_claimed = 0;
  std::int64_t shards_sealed = 0;
  std::int64_t warnings = 0;
  std::map<std::string, double> stage_seconds = {};       // load, encode, denoise, decode, write
  std::map<std::string, std::int64_t> memory_bytes = {};  // host, host_peak, device, device_peak
  std::map<std::string, std::int64_t> sent_bytes = {};    // by kind of communication
};

// The text in Prometheus' exposition format.
std::string to_prometheus(const RankMetrics& metrics);

// The file, rewritten at most so often. A run that is killed leaves its last state.
class MetricsFile {
 public:
  MetricsFile(std::filesystem::path path, TellFailure tell, double seconds_between = 2,
              Clock now = steady_seconds);

  // Whether it is time: ask before counting what is costly to count.
  bool is_due() const;
  void update(const RankMetrics& metrics);  // now

 private:
  LiveFile file_;
  double seconds_between_;
  Clock now_;
  std::optional<double> last_ = {};
};

// metrics/rank-00000.prom
std::filesystem::path metrics_name(int rank);

}  // namespace trireme
