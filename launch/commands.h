// The commands of the program, one a source file. Each takes its parsed options, writes data to
// standard output and talk to standard error, and gives the exit code; errors are thrown. They
// stand in the engine, the part of the program that is loaded after its arguments and its job are
// known to be right (engine.h).
#pragma once

#include <optional>
#include <string>

#include "launch/launched.h"
#include "launch/stop_signal.h"
#include "parallel/error.h"
#include "src/config/job.h"

namespace trireme {

struct RenderOptions {
  bool quiet = false;
  double deadline = 600;   // seconds that a rank waits for another one
  std::string trace = {};  // a file that tells what each rank did when
  bool memory_report = false;
  std::optional<double> grace = {};  // seconds that a batch may take to be finished after a signal
  bool says_where = true;            // on standard output, when all is done
  std::string cluster = {};          // a calibration; empty: the one of this host, if there is one
};
// A job that was read and fits the world.
Exit render_command(const Job& job, const RenderOptions& options, const Launched& launched,
                    StopSignal& stop);

struct PlanOptions {
  std::optional<int> ranks = {};
  std::string cluster = {};  // a file, or a device by name; empty: this machine
  bool json = false;
  bool explain = false;  // all terms
  int candidates = 3;    // rivals to tell of
  std::string trace = {};
  std::string learn = {};  // a report.json: the calibration is changed by it, nothing is planned
};
// Changes the calibration file, or the cluster file that is named.
Exit learn_command(const PlanOptions& options);
Exit plan_command(const Job& job, const PlanOptions& options);

struct BenchOptions {
  std::string out = {};  // of a calibration; empty: where plan and render look
  bool json = false;
};
// Measures the machine and writes a cluster file.
Exit calibrate_command(const BenchOptions& options, const Launched& launched);
// Renders the job's pictures into a folder that is removed, and says what each stage took.
Exit bench_command(Job job, const BenchOptions& options, const Launched& launched,
                   StopSignal& stop);

struct InspectOptions {
  std::string path;  // a checkpoint, a picture of ours or an output folder
  bool json = false;
};
Exit inspect_command(const InspectOptions& options);

}  // namespace trireme
