// `trireme slurm`: a batch script for a job, on standard output. It stands in the program itself
// and needs no engine: login nodes have no GPU, and often no MPI.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "parallel/error.h"
#include "src/slurm/script.h"

namespace trireme {

struct SlurmOptions {
  std::string job;
  SlurmRequest request = {};
  std::string launcher = "srun", replicas_as = "one";
};

// The command and its options; what the user says goes into `options`, which must live as long.
CLI::App* add_slurm(CLI::App& app, SlurmOptions& options);

// Reads the job and checks it as render would on as many ranks.
Exit slurm_command(const SlurmOptions& options);

}  // namespace trireme
