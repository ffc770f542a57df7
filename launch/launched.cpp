#include "launch/launched.h"

#include <cstdlib>
#include <initializer_list>

namespace trireme {
namespace {

// Open MPI's own, then those of PMIx and PMI, which Slurm gives.
int first_number(std::initializer_list<const char*> names, int otherwise) {
  for (const auto* name : names)
    if (const auto* value = std::getenv(name)) return std::atoi(value);
  return otherwise;
}

}  // namespace

Launched Launched::from_environment() {
  return {.rank = first_number({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}, 0),
          .size = first_number({"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"}, 1),
          .local_size = first_number({"OMPI_COMM_WORLD_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE"}, 1),
          .local_rank = first_number({"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"}, 0)};
}

}  // namespace trireme
