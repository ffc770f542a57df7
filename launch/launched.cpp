#include "launch/launched.h"

#include <fmt/format.h>

#include <cstdlib>
#include <initializer_list>
#include <optional>

#include "parallel/error.h"

namespace trireme {
namespace {

using Names = std::initializer_list<const char*>;

std::optional<int> first_number(const Launched::Variables& variables, Names names) {
  for (const auto* name : names)
    if (const auto* value = variables(name)) return std::atoi(value);
  return std::nullopt;
}

}  // namespace

// Open MPI's own, then those of PMIx and PMI, which Slurm gives, then Slurm's.
Launched Launched::from(const Variables& variables) {
  const auto number = [&](Names names, int otherwise) {
    return first_number(variables, names).value_or(otherwise);
  };
  return {.rank = number({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}, 0),
          .size = number({"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"}, 1),
          .local_size = number({"OMPI_COMM_WORLD_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE"}, 1),
          .local_rank = number({"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"}, 0)};
}

Launched Launched::from_environment() {
  return from([](const char* name) { return std::getenv(name); });
}

void check_launcher(const Launched::Variables& variables) {
  if (first_number(variables, {"OMPI_COMM_WORLD_SIZE"})) return;
  const auto tasks = first_number(variables, {"SLURM_STEP_NUM_TASKS"});
  if (!tasks || *tasks <= 1) return;
  const auto rank = first_number(variables, {"PMIX_RANK", "PMI_RANK"});
  if (!rank)
    throw Error(Exit::kUnavailable,
                fmt::format("[launcher] {} tasks of srun that MPI is not told of -> srun "
                            "--mpi=pmix -> another --mpi, or none, is the site's default",
                            *tasks));
  const auto task = first_number(variables, {"SLURM_PROCID"});
  if (task && *task != *rank)
    throw Error(
        Exit::kUnavailable,
        fmt::format("[launcher] MPI's rank {}, Slurm's {} -> the same number -> variables "
                    "of another launcher are left in the environment: start srun --mpi=pmix "
                    "or mpirun from a clean one",
                    *rank, *task));
}

}  // namespace trireme
