// The commands of the program, one a source file. Each takes its parsed options, writes data to
// standard output and talk to standard error, and gives the exit code; errors are thrown.
#pragma once

#include <string>
#include <vector>

#include "launch/process.h"
#include "parallel/error.h"

namespace trireme {

struct RenderOptions {
  std::string job;
  std::vector<std::string> overrides;  // --set key.path=value
  bool quiet = false;
};
Exit render_command(const RenderOptions& options, const Launched& launched);

struct InspectOptions {
  std::string path;  // a checkpoint, a picture of ours or an output folder
  bool json = false;
};
Exit inspect_command(const InspectOptions& options);

}  // namespace trireme
