// The frame of a test program whose ranks are processes: every rank of `mpirun -n N PROGRAM` runs
// every test. It offers rank_counts and on_every_rank (ranks.h).
#pragma once

#include <functional>

#include "parallel/group.h"

namespace trireme {

// What main returns; MPI begins and ends here. make_world is called once, by all ranks.
int run_on_processes(int argc, char** argv, const std::function<Group()>& make_world);

}  // namespace trireme
