#include "src/slurm/script.h"

#include <fmt/format.h>

#include "src/slurm/script_body.h"

namespace trireme {
namespace {

std::string sbatch_line(const std::string& option, const std::string& value) {
  return value.empty() ? "" : fmt::format("#SBATCH --{}={}\n", option, value);
}

std::string number(const std::optional<int>& value) {
  return value ? std::to_string(*value) : "";
}

std::string sbatch_lines(const SlurmRequest& request) {
  const bool array = request.replicas_as == ReplicasAs::kArray;
  const std::string log =
      request.log.empty() ? (array ? "%x-%A_%a.log" : "%x-%j.log") : request.log;
  std::string lines =
      sbatch_line("job-name", request.name) + sbatch_line("nodes", std::to_string(request.nodes)) +
      sbatch_line("ntasks-per-node", std::to_string(request.ranks_of_a_node())) +
      sbatch_line("cpus-per-task", number(request.cpus_per_rank)) +
      sbatch_line("gpus-per-node", number(request.gpus_per_node)) +
      sbatch_line("mem", request.memory) + sbatch_line("time", request.time) +
      sbatch_line("partition", request.partition) + sbatch_line("account", request.account);
  if (array) lines += sbatch_line("array", fmt::format("0-{}", *request.replicas - 1));
  lines += fmt::format(
      "#SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --signal=B:USR1@{}\n"
      "#SBATCH --output=\"{}\"\n",
      request.grace_seconds, log);
  for (const auto& option : request.sbatch) lines += "#SBATCH " + option + '\n';
  return lines;
}

std::string render_words(const SlurmRequest& request) {
  std::string words = "render " + shell_quoted(request.job);
  for (const auto& value : request.overrides) words += " --set " + shell_quoted(value);
  return words;
}

// Open MPI of Debian hears of Slurm's ranks through pmix alone. -K1: else the ranks of other nodes
// wait for one that is dead.
std::string srun(const SlurmRequest& request) {
  std::string command = "srun -K1 --mpi=pmix";
  if (request.cpus_per_rank) command += fmt::format(" --cpus-per-task={}", *request.cpus_per_rank);
  if (request.replicas_as != ReplicasAs::kSteps) return command;
  const int ranks = request.ranks_of_a_run(), node = request.ranks_of_a_node();
  // --exact: a step takes its own processors and leaves the others'; --mem=0: they share memory.
  command += fmt::format(" --exact --mem=0 --nodes={} --ntasks={} --ntasks-per-node={}",
                         ranks <= node ? 1 : ranks / node, ranks, std::min(ranks, node));
  if (request.gpus_per_node)
    command += fmt::format(" --gpus-per-node={}",
                           std::max(1, *request.gpus_per_node * std::min(ranks, node) / node));
  return command;
}

// mpirun would bind each of two ranks to one core.
std::string mpirun(const SlurmRequest& request) {
  return fmt::format("mpirun -n {} --map-by ppr:{}:node --bind-to none", request.world_size(),
                     request.ranks_of_a_node());
}

std::string settings(const SlurmRequest& request) {
  const auto launcher = request.launcher == SlurmLauncher::kSrun ? srun(request) : mpirun(request);
  const bool steps = request.replicas_as == ReplicasAs::kSteps;
  const bool array = request.replicas_as == ReplicasAs::kArray;
  return fmt::format(
      "readonly trireme={}\nreadonly out={}\n"
      "readonly worlds={}          # each a launcher of its own\n"
      "readonly others={}         # whether other jobs work on the same output\n"
      "readonly max_requeues={}\n"
      "launch() {{\n  exec {} \\\n    \"$trireme\" {}\n}}\n",
      shell_quoted(request.program), shell_quoted(request.output), steps ? *request.replicas : 1,
      array && *request.replicas > 1 ? "yes" : "no", request.max_requeues, launcher,
      render_words(request));
}

}  // namespace

int SlurmRequest::ranks_of_a_node() const {
  return ranks_per_node ? *ranks_per_node : gpus_per_node.value_or(1);
}

int SlurmRequest::ranks_of_a_run() const {
  return replicas_as == ReplicasAs::kSteps ? world_size() / replicas.value_or(1) : world_size();
}

std::string shell_quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string slurm_script(const SlurmRequest& request) {
  return std::string("#!/bin/bash\n") + kScriptHead + sbatch_lines(request) + "set -u\n\n" +
         settings(request) + kScriptBody;
}

}  // namespace trireme
