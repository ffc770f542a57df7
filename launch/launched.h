// What the launcher (mpirun, srun) told this process, readable before MPI is started. The one place
// where its variables are read; without a launcher the world is one rank.
#pragma once

namespace trireme {

struct Launched {
  int rank = 0;
  int size = 1;
  int local_size = 1;  // ranks on this host
  int local_rank = 0;  // among them

  static Launched from_environment();
};

}  // namespace trireme
