// `trireme verify`: whether an output folder holds what it promises. In the program itself, without
// the engine: it needs no LibTorch.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "parallel/error.h"

namespace trireme {

struct VerifyRequest {
  std::string out;
  bool deep = false;
  bool json = false;
  int threads = 0;  // 0: as many as there are processors
};

// The command and its options; what the user says goes into `request`, which must live as long.
CLI::App* add_verify(CLI::App& app, VerifyRequest& request);

// kDone also for a job that is not finished; kBadData where something is damaged.
Exit verify_command(const VerifyRequest& request);

}  // namespace trireme
