#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "parallel/error.h"
#include "src/slurm/script.h"

namespace trireme {
namespace {

constexpr int kMostNodes = 65536;
constexpr int kMostRanksOfANode = 1024;
constexpr int kMostElements = 10000;
constexpr int kLongestGrace = 65535;  // what sbatch --signal takes

[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const std::string& required, const std::string& cause) {
  throw Error(Exit::kUsage, fmt::format("[{}] {} -> {} -> {}", option, value, required, cause));
}

void check_count(const std::string& option, int value, int least, int most) {
  if (value < least || value > most)
    refuse(option, std::to_string(value), fmt::format("a whole number from {} to {}", least, most),
           "mistyped");
}

void check_line(const std::string& option, const std::string& value) {
  if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < ' ' || c == 127; }))
    refuse(option, "a control character", "text of one line",
           "a script's line cannot hold a line break");
}

// What stands in an #SBATCH line without quotes.
void check_word(const std::string& option, const std::string& value) {
  static const std::regex kWord("[A-Za-z0-9_.,:@%/+=-]*");
  if (!std::regex_match(value, kWord))
    refuse(option, value, "letters, digits and _ . , : @ + - / %", "mistyped");
}

void check_time(const std::string& time) {
  static const std::regex kTime(
      R"(\d+(:\d{1,2}){0,2}|\d+-\d{1,2}(:\d{1,2}){0,2}|UNLIMITED|INFINITE)");
  if (!time.empty() && !std::regex_match(time, kTime))
    refuse("--time", time, "minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S", "mistyped");
}

void check_memory(const std::string& memory) {
  static const std::regex kMemory(R"(\d+[KMGT]?)");
  if (!memory.empty() && !std::regex_match(memory, kMemory))
    refuse("--mem", memory, "a number of megabytes, or one with K, M, G or T", "mistyped");
}

// They would break what the script promises, or name twice what has an option here.
void check_extra(const std::string& option) {
  check_line("--sbatch", option);
  if (option.rfind('-', 0) != 0)
    refuse("--sbatch", option, "an option of sbatch, such as --sbatch=--exclusive",
           "its dashes were left out");
  const auto name = option.substr(0, option.find_first_of("= "));
  for (const auto* ours : {"--requeue", "--no-requeue", "--open-mode", "--signal", "--array", "-a",
                           "--nodes", "-N", "--ntasks", "-n", "--ntasks-per-node", "--wrap"})
    if (name == ours)
      refuse("--sbatch", option, "an option that the script does not set itself",
             "trireme slurm --help lists how to say it");
}

void check_numbers(const SlurmRequest& request) {
  check_count("--nodes", request.nodes, 1, kMostNodes);
  check_count("--ranks-per-node", request.ranks_of_a_node(), 1, kMostRanksOfANode);
  if (request.gpus_per_node) check_count("--gpus-per-node", *request.gpus_per_node, 1, 64);
  if (request.cpus_per_rank) check_count("--cpus-per-rank", *request.cpus_per_rank, 1, 1024);
  if (request.replicas) check_count("--replicas", *request.replicas, 1, kMostElements);
  check_count("--grace", request.grace_seconds, 1, kLongestGrace);
  check_count("--max-requeues", request.max_requeues, 0, 1000000);
}

void check_texts(const SlurmRequest& request) {
  check_line("job", request.job);
  check_line("output.path", request.output);
  check_line("--program", request.program);
  check_line("--log", request.log);
  for (const auto& word : request.overrides) check_line("--set", word);
  check_word("--name", request.name);
  check_word("--partition", request.partition);
  check_word("--account", request.account);
  check_time(request.time);
  check_memory(request.memory);
  for (const auto& option : request.sbatch) check_extra(option);
  if (request.name.empty()) refuse("--name", "nothing", "a name", "left empty");
  // sbatch reads \ and " in its lines in its own way.
  if (request.log.find_first_of("\"\\") != std::string::npos)
    refuse("--log", request.log, "a path without \" and \\", "sbatch would read it otherwise");
}

// A replica's ranks fill some nodes, or some fill one.
void check_steps(const SlurmRequest& request) {
  const int replicas = *request.replicas, ranks = request.world_size();
  const int node = request.ranks_of_a_node();
  if (request.launcher == SlurmLauncher::kMpirun)
    refuse("--launcher", "mpirun with --replicas-as steps", "srun, or --replicas-as array",
           "mpirun takes the whole of a job's nodes");
  const auto cause =
      fmt::format("--nodes {} with {} ranks each are {}", request.nodes, node, ranks);
  if (ranks % replicas != 0)
    refuse("--replicas", std::to_string(replicas), "a number that divides the ranks", cause);
  const int each = ranks / replicas;
  if (each < node ? node % each != 0 : each % node != 0)
    refuse("--replicas", fmt::format("{} of {} ranks", replicas, each),
           "replicas that fill nodes, or nodes that are filled by replicas", cause);
}

}  // namespace

void check(const SlurmRequest& request) {
  check_numbers(request);
  check_texts(request);
  if (request.replicas_as == ReplicasAs::kOne) return;
  if (!request.replicas)
    refuse("--replicas-as", "steps or array", "--replicas N, or layout.replicas in the job",
           "nobody said how many");
  if (request.replicas_as == ReplicasAs::kSteps) check_steps(request);
}

}  // namespace trireme
