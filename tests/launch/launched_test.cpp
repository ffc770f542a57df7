#include "launch/launched.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "parallel/error.h"

namespace trireme {
namespace {

class Variables {
 public:
  Variables(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  const char* operator()(const char* name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : found->second.c_str();
  }

 private:
  std::map<std::string, std::string> values_;
};

std::string refused(const Variables& variables) {
  try {
    check_launcher(variables);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kUnavailable);
    return error.what();
  }
  return "nothing";
}

TEST(Launched, WithoutALauncherTheWorldIsOneRank) {
  const auto alone = Launched::from(Variables({}));
  EXPECT_EQ(alone.rank, 0);
  EXPECT_EQ(alone.size, 1);
  EXPECT_EQ(refused(Variables({})), "nothing");
}

// As seen under Slurm 22.05: four ranks on two nodes, and Slurm's variables are the daemons'.
TEST(Launched, UnderMpirunInSlurmOpenMpisVariablesCount) {
  const Variables variables({{"OMPI_COMM_WORLD_RANK", "3"},
                             {"OMPI_COMM_WORLD_SIZE", "4"},
                             {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                             {"PMIX_RANK", "3"},
                             {"SLURM_PROCID", "1"},
                             {"SLURM_LOCALID", "0"},
                             {"SLURM_STEP_NUM_TASKS", "2"}});
  EXPECT_EQ(refused(variables), "nothing");
  const auto launched = Launched::from(variables);
  EXPECT_EQ(launched.rank, 3);
  EXPECT_EQ(launched.size, 4);
  EXPECT_EQ(launched.local_rank, 1);
  EXPECT_EQ(launched.local_size, 2);
}

TEST(Launched, UnderSrunWithPmix) {
  const Variables variables({{"PMIX_RANK", "2"},
                             {"SLURM_PROCID", "2"},
                             {"SLURM_LOCALID", "0"},
                             {"SLURM_STEP_NUM_TASKS", "4"}});
  EXPECT_EQ(refused(variables), "nothing");
  EXPECT_EQ(Launched::from(variables).rank, 2);
  EXPECT_EQ(Launched::from(variables).size, 4);
}

TEST(Launched, TasksThatWouldEachBeAWorldOfTheirOwn) {
  EXPECT_EQ(refused(Variables({{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}})),
            "[launcher] 4 tasks of srun that MPI is not told of -> srun --mpi=pmix -> another "
            "--mpi, or none, is the site's default");
  EXPECT_EQ(refused(Variables({{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}})), "nothing");
  // A batch script's own shell is no step of many tasks.
  EXPECT_EQ(refused(Variables({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}})), "nothing");
}

TEST(Launched, RanksThatDisagree) {
  EXPECT_EQ(
      refused(
          Variables({{"PMIX_RANK", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}})),
      "[launcher] MPI's rank 0, Slurm's 1 -> the same number -> variables of another launcher "
      "are left in the environment: start srun --mpi=pmix or mpirun from a clean one");
}

}  // namespace
}  // namespace trireme
