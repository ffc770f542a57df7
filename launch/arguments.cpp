#include "launch/arguments.h"

#include <cstdlib>
#include <iostream>

#include "src/config/text.h"

namespace trireme {
namespace {

CLI::Validator seconds_above_zero() {
  constexpr double kLongest = 1e6;
  return {[](const std::string& text) {
            char* end = nullptr;
            const double seconds = std::strtod(text.c_str(), &end);
            const bool good = *end == '\0' && seconds > 0 && seconds <= kLongest;
            return good ? "" : text + " is not a number of seconds above 0 (and up to 1000000)";
          },
          "SECONDS"};
}

void add_job(CLI::App* command, Arguments& arguments) {
  command->add_option("job", arguments.job, "The job file (YAML)");
  command
      ->add_option("--set", arguments.overrides,
                   "key.path=value: lay a value over the job file; may be given several times")
      ->take_all()
      ->allow_extra_args(false);
}

void add_render(CLI::App& app, Arguments& arguments) {
  auto* command = app.add_subcommand("render", "Make the pictures of a job");
  auto& options = arguments.render;
  add_job(command, arguments);
  command->get_option("job")->required();
  command->add_flag("--quiet", options.quiet, "No progress");
  command
      ->add_option("--deadline", options.deadline,
                   "Seconds that a rank waits for another one before all end")
      ->capture_default_str()
      ->check(seconds_above_zero());
  command->add_option(
      "--trace", options.trace,
      "A file that tells what each rank did when, for chrome://tracing or Perfetto");
  command
      ->add_option("--grace", options.grace,
                   "Seconds that a batch may take to be finished after a signal, else it is "
                   "dropped; by default 0.8 after SIGTERM and SIGINT, 30 after SIGUSR1")
      ->check(seconds_above_zero());
  command->add_flag("--memory-report", options.memory_report,
                    "Say what the memory of every rank held, stage by stage");
  command->add_option("--cluster", options.cluster,
                      "Rates of the machines (bench --calibrate), instead of this host's own file");
}

void add_plan(CLI::App& app, Arguments& arguments) {
  auto* command = app.add_subcommand("plan", "Say what a job will do before anything is loaded");
  auto& options = arguments.plan;
  add_job(command, arguments);
  command->add_option("--ranks", options.ranks, "Ranks to plan for; by default all of the cluster")
      ->check(CLI::Range(1, 65536));
  command->add_option("--cluster", options.cluster,
                      "A cluster file, or devices by name: h200, h100, a100-80, l40s, l40, 4090, "
                      "cpu; by default this machine");
  command->add_option("--candidates", options.candidates, "Other layouts to tell of")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  command->add_flag("--explain", options.explain, "All terms of time, by rank");
  command->add_option(
      "--trace", options.trace,
      "A file that tells what each rank would do when, as render --trace writes it");
  command->add_flag("--json", options.json, "For machines");
  command->add_option("--learn", options.learn,
                      "Instead of a job: the report.json of a run, to refine the calibration by");
}

void add_bench(CLI::App& app, Arguments& arguments) {
  auto* command = app.add_subcommand("bench", "Measure a job, stage by stage, or the machine");
  add_job(command, arguments);
  command->add_flag("--calibrate", arguments.calibrates,
                    "Instead of a job: the machine's rates, for plan and render");
  command->add_option("--out", arguments.bench.out,
                      "The file of a calibration, by default this host's own");
  command->add_flag("--json", arguments.bench.json, "For machines");
}

void add_inspect(CLI::App& app, InspectOptions& options) {
  auto* command = app.add_subcommand("inspect", "Say what a checkpoint, a picture or an output is");
  command->add_option("path", options.path, "A folder, org/name or a PNG file")->required();
  command->add_flag("--json", options.json, "For machines");
}

Error mistake(const std::string& what, const std::string& required, const std::string& cause) {
  return Error(Exit::kUsage, "[command] " + what + " -> " + required + " -> " + cause);
}

std::vector<std::string_view> commands_of(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// Of what CLI11 could make no sense of.
Error mistake(const CLI::App& app, const CLI::ParseError& error, const std::string& first) {
  const auto chosen = app.get_subcommands();
  if (!chosen.empty()) {
    const auto name = "trireme " + chosen.front()->get_name();
    return mistake(error.what(), "what `" + name + " --help` lists",
                   "left out, mistyped, or meant for another command");
  }
  const auto commands = commands_of(app);
  const auto required = "a command: " + list_words(commands);
  if (first.empty()) return mistake("no command", required, "trireme --help says what each does");
  if (first.front() == '-') return mistake(first, required, "options belong behind the command");
  const auto meant = nearest(first, commands);
  return mistake(first, required, meant ? "did you mean " + *meant + "?" : "no such command");
}

// plan and bench have two forms.
void check_job(const Arguments& arguments) {
  const bool is_named = !arguments.job.empty();
  if (arguments.command == "plan" && is_named != arguments.plan.learn.empty())
    throw mistake(is_named ? "a job and --learn" : "no job",
                  "a job file, or --learn with a report.json", "one of the two");
  if (arguments.command == "bench" && is_named == arguments.calibrates)
    throw mistake(is_named ? "a job and --calibrate" : "no job", "a job file, or --calibrate",
                  "one of the two");
}

}  // namespace

Arguments parse_arguments(int argc, const char* const* argv) {
  CLI::App app{"Renders Stable Diffusion 3 / 3.5 and PixArt-Sigma jobs on one rank or many."};
  app.require_subcommand(1);
  app.set_version_flag("--version", TRIREME_VERSION);
  Arguments arguments;
  add_render(app, arguments);
  add_plan(app, arguments);
  add_bench(app, arguments);
  add_inspect(app, arguments.inspect);
  add_slurm(app, arguments.slurm);
  add_verify(app, arguments.verify);
  add_status(app, arguments.status);
  const std::string first = argc > 1 ? argv[1] : "";
  try {
    app.parse(argc, argv);
    arguments.command = app.get_subcommands().front()->get_name();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
    } else {
      throw mistake(app, error, first);
    }
  }
  check_job(arguments);
  return arguments;
}

}  // namespace trireme
