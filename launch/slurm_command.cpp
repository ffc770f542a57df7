#include "launch/slurm_command.h"

#include <filesystem>
#include <iostream>

#include "src/config/job.h"
#include "src/config/layout.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

void add_job_options(CLI::App& command, SlurmOptions& options) {
  auto& request = options.request;
  command.add_option("job", options.job, "The job file (YAML)")->required();
  command.add_option("--set", request.overrides, "key.path=value: lay a value over the job file")
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--name", request.name, "Of the Slurm job; by default trireme");
  command.add_option("--log", request.log,
                     "Its log, with sbatch's patterns; by default NAME-JOB.log");
  command.add_option("--program", request.program, "trireme as nodes find it; by default this one");
  command.add_option("--launcher", options.launcher, "srun or mpirun")
      ->capture_default_str()
      ->check(CLI::IsMember({"srun", "mpirun"}));
  command
      .add_option(
          "--replicas-as", options.replicas_as,
          "one: a world with all replicas; steps: each by itself in this job; array: each a "
          "job of --nodes by itself")
      ->capture_default_str()
      ->check(CLI::IsMember({"one", "steps", "array"}));
  command.add_option("--replicas", request.replicas, "How many; by default what the layout says");
  command
      .add_option("--grace", request.grace_seconds,
                  "Seconds before the time limit at which the job is asked to stop")
      ->capture_default_str();
  command
      .add_option("--max-requeues", request.max_requeues, "How often it may go back into the queue")
      ->capture_default_str();
}

void add_sbatch_options(CLI::App& command, SlurmRequest& request) {
  command.add_option("--nodes", request.nodes, "Nodes of a job")->capture_default_str();
  command.add_option("--ranks-per-node", request.ranks_per_node,
                     "By default one a GPU, or one without GPUs");
  command.add_option("--gpus-per-node", request.gpus_per_node, "GPUs to ask Slurm for");
  command.add_option("--cpus-per-rank", request.cpus_per_rank, "Processors of a rank");
  command.add_option("--mem", request.memory, "Memory of a node, such as 64G");
  command.add_option("--time", request.time, "Time limit of a run, as sbatch takes it");
  command.add_option("--partition", request.partition, "As sbatch takes it");
  command.add_option("--account", request.account, "As sbatch takes it");
  command
      .add_option("--sbatch", request.sbatch,
                  "Any other option of sbatch: --sbatch=--exclusive; may be given several times")
      ->take_all()
      ->allow_extra_args(false);
}

// Each run holds one replica.
void make_runs_single(SlurmRequest& request, const Job& job) {
  if (!request.replicas) request.replicas = job.layout.replicas;
  if (job.layout.replicas) request.overrides.push_back("layout.replicas=1");
}

std::string this_program() {
  return fs::read_symlink("/proc/self/exe").string();
}

SlurmRequest request_of(const SlurmOptions& options, const Job& job) {
  auto request = options.request;
  request.job = fs::absolute(options.job).lexically_normal().string();
  request.output = job.output.path.resolved;
  request.program =
      request.program.empty() ? this_program() : fs::absolute(request.program).string();
  request.launcher = options.launcher == "mpirun" ? SlurmLauncher::kMpirun : SlurmLauncher::kSrun;
  if (options.replicas_as == "steps") request.replicas_as = ReplicasAs::kSteps;
  if (options.replicas_as == "array") request.replicas_as = ReplicasAs::kArray;
  if (request.replicas_as != ReplicasAs::kOne) make_runs_single(request, job);
  return request;
}

}  // namespace

CLI::App* add_slurm(CLI::App& app, SlurmOptions& options) {
  auto* command =
      app.add_subcommand("slurm", "Print a batch script that renders a job under Slurm");
  add_job_options(*command, options);
  add_sbatch_options(*command, options.request);
  return command;
}

Exit slurm_command(const SlurmOptions& options) {
  const auto job = read_job(options.job, options.request.overrides);
  const auto request = request_of(options, job);
  check(request);
  const auto run = read_job(options.job, request.overrides);
  check_layout(run, request.ranks_of_a_run());
  std::cout << slurm_script(request);
  return Exit::kDone;
}

}  // namespace trireme
