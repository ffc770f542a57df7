// The command line: what the user may say, command by command, and what they said.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "launch/commands.h"
#include "launch/slurm_command.h"
#include "launch/status_command.h"
#include "launch/verify_command.h"

namespace trireme {

// One command at most was given; the options of the others are as they are by default.
struct Arguments {
  std::string command = {};                 // its name
  std::string job = {};                     // of render, plan and bench: a file, or empty
  std::vector<std::string> overrides = {};  // key.path=value
  RenderOptions render = {};
  PlanOptions plan = {};
  BenchOptions bench = {};
  bool calibrates = false;  // bench: the machine instead of a job
  InspectOptions inspect = {};
  SlurmOptions slurm = {};
  VerifyRequest verify = {};
  StatusRequest status = {};
};

// The arguments. Where they only ask for help or the version, prints that and gives no command.
// Throws: Error kUsage for what is no command or none of its options, with what was meant if that
// can be told.
Arguments parse_arguments(int argc, const char* const* argv);

}  // namespace trireme
