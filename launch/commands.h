// The commands of the program, one a source file. Each takes its parsed options, writes data to
// standard output and talk to standard error, and gives the exit code; errors are thrown. They
// stand in the engine, the part of the program that is loaded after its arguments and its job are
// known to be right (engine.h).
#pragma once

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
};
// A job that was read and fits the world.
Exit render_command(const Job& job, const RenderOptions& options, const Launched& launched,
                    StopSignal& stop);

struct InspectOptions {
  std::string path;  // a checkpoint, a picture of ours or an output folder
  bool json = false;
};
Exit inspect_command(const InspectOptions& options);

}  // namespace trireme
