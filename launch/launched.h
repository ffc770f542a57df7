// What the launcher (mpirun, srun) told this process, readable before MPI is started. The one place
// where its variables are read; without a launcher the world is one rank. Process (process.h) holds
// it against what MPI says.
#pragma once

#include <functional>

namespace trireme {

struct Launched {
  int rank = 0;
  int size = 1;
  int local_size = 1;  // ranks on this host, as far as it is told
  int local_rank = 0;  // among them

  // Of a variable its value, or null.
  using Variables = std::function<const char*(const char*)>;
  static Launched from(const Variables& variables);
  static Launched from_environment();
};

// Refuses tasks of srun that MPI could not know of each other, each of which would be a world of
// one and do the whole job: Error(kUnavailable) that says how to start them instead. Under mpirun
// Slurm's variables are those of mpirun's daemon and are not looked at.
void check_launcher(const Launched::Variables& variables);

}  // namespace trireme
