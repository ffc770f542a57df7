#include "src/slurm/script.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "parallel/error.h"

namespace trireme {
namespace {

SlurmRequest request() {
  return {.job = "/data/job.yaml", .output = "/data/out", .program = "/opt/trireme"};
}

bool has_line(const std::string& script, const std::string& line) {
  return script.find("\n" + line + "\n") != std::string::npos;
}

std::string refused(const SlurmRequest& request) {
  try {
    check(request);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kUsage);
    return error.what();
  }
  return "nothing";
}

// What bash prints for a text.
std::string in_bash(const std::string& text) {
  const std::unique_ptr<FILE, int (*)(FILE*)> shell(
      popen(("bash -c " + shell_quoted(text) + " 2>&1").c_str(), "r"), pclose);
  std::string said;
  std::array<char, 256> part{};
  while (std::fgets(part.data(), part.size(), shell.get())) said += part.data();
  return said;
}

TEST(SlurmScript, AsksSlurmForWhatWasAskedFor) {
  auto asked = request();
  asked.nodes = 4;
  asked.gpus_per_node = 8;
  asked.time = "1-12:00:00";
  asked.partition = "gpu";
  asked.account = "art";
  asked.memory = "64G";
  asked.cpus_per_rank = 6;
  asked.grace_seconds = 300;
  asked.sbatch = {"--exclusive"};
  check(asked);
  EXPECT_EQ(asked.world_size(), 32);
  const auto script = slurm_script(asked);
  for (const auto* option :
       {"--nodes=4", "--ntasks-per-node=8", "--gpus-per-node=8", "--time=1-12:00:00",
        "--partition=gpu", "--account=art", "--mem=64G", "--cpus-per-task=6", "--exclusive",
        "--requeue", "--open-mode=append", "--signal=B:USR1@300", "--output=\"%x-%j.log\""})
    EXPECT_TRUE(has_line(script, std::string("#SBATCH ") + option)) << option;
  EXPECT_NE(script.find("srun -K1 --mpi=pmix --cpus-per-task=6"), std::string::npos);
}

TEST(SlurmScript, LeavesToTheSiteWhatNobodySaid) {
  const auto script = slurm_script(request());
  for (const auto* option : {"--time", "--partition", "--account", "--mem=", "--gpus", "--array"})
    EXPECT_EQ(script.find(std::string("#SBATCH ") + option), std::string::npos) << option;
}

TEST(SlurmScript, IsBashInEveryForm) {
  for (const auto launcher : {SlurmLauncher::kSrun, SlurmLauncher::kMpirun})
    for (const auto form : {ReplicasAs::kOne, ReplicasAs::kSteps, ReplicasAs::kArray}) {
      auto asked = request();
      asked.job = "/my jobs/it's $HOME `here`.yaml";
      asked.launcher = launcher;
      asked.replicas_as = form;
      asked.replicas = 1;
      asked.overrides = {"prompts.0.prompt=a \"red\" star; rm -rf *"};
      const auto script = slurm_script(asked);
      EXPECT_EQ(in_bash("set -n\n" + script), "");
    }
}

TEST(SlurmScript, WordsStayWordsInTheShell) {
  for (const std::string word : {"plain", "two words", "it's", "$HOME `id` \\ \" * ; & #", ""})
    EXPECT_EQ(in_bash("printf %s " + shell_quoted(word)), word);
}

TEST(SlurmScript, ReplicasAsSteps) {
  auto asked = request();
  asked.nodes = 2;
  asked.gpus_per_node = 4;
  asked.replicas_as = ReplicasAs::kSteps;
  asked.replicas = 4;
  check(asked);
  EXPECT_EQ(asked.ranks_of_a_run(), 2);
  const auto small = slurm_script(asked);
  EXPECT_TRUE(has_line(small, "readonly worlds=4          # each a launcher of its own"));
  EXPECT_NE(small.find("--nodes=1 --ntasks=2 --ntasks-per-node=2 --gpus-per-node=2"),
            std::string::npos);
  asked.replicas = 1;
  EXPECT_NE(slurm_script(asked).find("--nodes=2 --ntasks=8 --ntasks-per-node=4 --gpus-per-node=4"),
            std::string::npos);
}

TEST(SlurmScript, ReplicasAsAnArray) {
  auto asked = request();
  asked.nodes = 2;
  asked.replicas_as = ReplicasAs::kArray;
  asked.replicas = 6;
  check(asked);
  EXPECT_EQ(asked.ranks_of_a_run(), 2);
  EXPECT_TRUE(has_line(slurm_script(asked), "#SBATCH --array=0-5"));
  EXPECT_TRUE(has_line(slurm_script(asked), "#SBATCH --output=\"%x-%A_%a.log\""));
}

TEST(SlurmScript, RefusesReplicasThatDoNotFitTheNodes) {
  auto asked = request();
  asked.replicas_as = ReplicasAs::kSteps;
  EXPECT_EQ(refused(asked),
            "[--replicas-as] steps or array -> --replicas N, or layout.replicas in the job -> "
            "nobody said how many");
  asked.nodes = 3;
  asked.ranks_per_node = 2;
  asked.replicas = 4;
  EXPECT_EQ(
      refused(asked),
      "[--replicas] 4 -> a number that divides the ranks -> --nodes 3 with 2 ranks each are 6");
  asked.replicas = 2;
  EXPECT_EQ(refused(asked),
            "[--replicas] 2 of 3 ranks -> replicas that fill nodes, or nodes that are filled by "
            "replicas -> --nodes 3 with 2 ranks each are 6");
  asked.launcher = SlurmLauncher::kMpirun;
  EXPECT_EQ(
      refused(asked),
      "[--launcher] mpirun with --replicas-as steps -> srun, or --replicas-as array -> mpirun "
      "takes the whole of a job's nodes");
}

TEST(SlurmScript, RefusesNonsense) {
  const auto with = [](auto change) {
    auto asked = request();
    change(asked);
    return refused(asked);
  };
  EXPECT_EQ(with([](auto& r) { r.max_requeues = -1; }),
            "[--max-requeues] -1 -> a whole number from 0 to 1000000 -> mistyped");
  EXPECT_EQ(with([](auto& r) { r.grace_seconds = 0; }),
            "[--grace] 0 -> a whole number from 1 to 65535 -> mistyped");
  EXPECT_EQ(with([](auto& r) { r.memory = "lots"; }),
            "[--mem] lots -> a number of megabytes, or one with K, M, G or T -> mistyped");
  EXPECT_EQ(with([](auto& r) { r.partition = "a b"; }),
            "[--partition] a b -> letters, digits and _ . , : @ + - / % -> mistyped");
  EXPECT_EQ(with([](auto& r) { r.job = "/a\nb"; }),
            "[job] a control character -> text of one line -> a script's line cannot hold a line "
            "break");
  EXPECT_EQ(with([](auto& r) { r.sbatch = {"exclusive"}; }),
            "[--sbatch] exclusive -> an option of sbatch, such as --sbatch=--exclusive -> its "
            "dashes were left out");
  for (const auto* time : {"1:2:3:4", "-5", "1d", "10:"})
    EXPECT_NE(with([&](auto& r) { r.time = time; }), "nothing") << time;
  for (const auto* time : {"90", "10:30", "4:00:00", "2-0", "2-12:30", "1-0:0:0", "UNLIMITED"})
    EXPECT_EQ(with([&](auto& r) { r.time = time; }), "nothing") << time;
}

// cluster/ holds them ready to be edited; each says by which command it was made.
TEST(SlurmScript, ReadyScriptsAreWhatTheCommandPrints) {
  const auto four_nodes = [](auto change) {
    auto asked = request();
    asked.program = "/opt/trireme/build/trireme";
    asked.nodes = 4;
    asked.ranks_per_node = 4;
    asked.time = "4:00:00";
    change(asked);
    check(asked);
    return slurm_script(asked);
  };
  const std::map<std::string, std::string> ready = {
      {"srun", four_nodes([](auto&) {})},
      {"mpirun", four_nodes([](auto& r) { r.launcher = SlurmLauncher::kMpirun; })},
      {"steps", four_nodes([](auto& r) {
         r.replicas_as = ReplicasAs::kSteps;
         r.replicas = 4;
       })},
      {"array", four_nodes([](auto& r) {
         r.replicas_as = ReplicasAs::kArray;
         r.replicas = 4;
         r.nodes = 1;
       })}};
  for (const auto& [form, script] : ready) {
    const auto file = "cluster/slurm-" + form + ".sbatch";
    if (std::getenv("TRIREME_WRITE_SCRIPTS")) std::ofstream(file) << script;
    std::ifstream in(file);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), script)
        << file << ": TRIREME_WRITE_SCRIPTS=1 build/tests/slurm_test writes it anew";
  }
}

}  // namespace
}  // namespace trireme
