// A batch script for Slurm that renders one job until it is done: it stops in time when Slurm wants
// its nodes back, goes into the queue again and goes on where it was. Plain values in, the text of
// the script out; nothing here runs anything. The smallest request, a job and its output folder,
// gives a script for one rank on one node.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace trireme {

enum class SlurmLauncher { kSrun, kMpirun };

// Replicas make different samples and share nothing but the output folder, so that each may be ...
enum class ReplicasAs {
  kOne,    // ... a part of one world, which lives and dies as one
  kSteps,  // ... a step of one job: a rank that dies takes its replica along and no other
  kArray   // ... a job of an array, which starts when there is room for it alone
};

struct SlurmRequest {
  std::string job;                          // an absolute path, as all of these are
  std::string output;                       // the folder that the job renders into
  std::string program;                      // trireme itself
  std::vector<std::string> overrides = {};  // what --set said, for render
  std::string name = "trireme";
  std::string log = {};  // Slurm's pattern; empty: NAME-JOB.log where sbatch was called

  int nodes = 1;                           // of one job: of an array, each has as many
  std::optional<int> ranks_per_node = {};  // none: a rank a GPU, without GPUs one
  std::optional<int> gpus_per_node = {};
  std::optional<int> cpus_per_rank = {};
  std::string memory = {};  // a node's: 64G
  std::string time = {};    // as sbatch takes it: minutes, H:M:S, D-H ...
  std::string partition = {}, account = {};
  std::vector<std::string> sbatch = {};  // further options, as they are: --exclusive

  SlurmLauncher launcher = SlurmLauncher::kSrun;
  ReplicasAs replicas_as = ReplicasAs::kOne;
  std::optional<int> replicas = {};  // needed where each is a step or a job
  int grace_seconds = 120;           // between the wish that it stop and the end that Slurm sets
  int max_requeues = 100;

  int ranks_of_a_node() const;
  int world_size() const { return nodes * ranks_of_a_node(); }
  // Of the ranks that one `trireme render` has: a replica's where each runs by itself.
  int ranks_of_a_run() const;
};

// Refuses what Slurm would not take or the script could not keep. Throws Error(kUsage), one line.
void check(const SlurmRequest& request);

// Of a request that was checked.
std::string slurm_script(const SlurmRequest& request);

// One word of a shell command, whatever it holds.
std::string shell_quoted(const std::string& word);

}  // namespace trireme
