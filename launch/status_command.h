// `trireme status`: how far the job of an output folder is. In the program itself, without the
// engine.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "parallel/error.h"

namespace trireme {

struct StatusRequest {
  std::string out;
  std::optional<double> watch = {};  // seconds between looks
  bool json = false;
};

// The command and its options; what the user says goes into `request`, which must live as long.
CLI::App* add_status(CLI::App& app, StatusRequest& request);

// With `watch` until the job is complete: on a terminal the text is drawn anew, elsewhere, and with
// `json`, every look that tells something new is added, JSON on a line of its own.
Exit status_command(const StatusRequest& request);

}  // namespace trireme
