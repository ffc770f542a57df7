// trireme: reads the command line and the job, has the engine run one command, turns what went
// wrong into one message and an exit code.
#include <CLI/CLI.hpp>
#include <iostream>

#include "launch/engine.h"
#include "launch/failure.h"
#include "src/config/job.h"
#include "src/config/layout.h"
#include "src/config/text.h"

namespace trireme {
namespace {

// Mistakes in the job are told before anything is loaded, by every rank alike.
Job checked_job(const std::string& path, const std::vector<std::string>& overrides,
                const Launched& launched) {
  auto job = read_job(path, overrides);
  refuse_unsupported(job);
  check_layout(job, launched.size);
  return job;
}

// Data that did not reach standard output is not a success.
Exit delivered(Exit exit) {
  if (std::cout.flush()) return exit;
  throw Error(Exit::kInputOutput,
              "[output] standard output could not be written -> a place for the data -> it is "
              "closed, its disk is full, or its reader is gone");
}

int usage_mistake(const std::string& what, const std::string& required, const std::string& cause) {
  say_once({Exit::kUsage, "[command] " + what + " -> " + required + " -> " + cause},
           Launched::from_environment());
  return static_cast<int>(Exit::kUsage);
}

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

// What CLI11 could not make sense of; also how help and the version are told.
int told_by_parser(const CLI::App& app, const CLI::ParseError& error, const std::string& first) {
  const bool is_word = !first.empty() && first.front() != '-';
  const auto chosen = app.get_subcommands();
  if (error.get_exit_code() == 0) return app.exit(error);
  if (!chosen.empty()) {
    const auto name = "trireme " + chosen.front()->get_name();
    return usage_mistake(error.what(), "what `" + name + " --help` lists",
                         "left out, mistyped, or meant for another command");
  }
  if (is_word) {
    const auto meant = nearest(first, {"render", "inspect"});
    return usage_mistake(first, "render or inspect",
                         meant ? "did you mean " + *meant + "?" : "no such command");
  }
  if (!first.empty())
    return usage_mistake(first, "a command first: render or inspect",
                         "options belong behind the command");
  std::cerr << app.help();
  return static_cast<int>(Exit::kUsage);
}

}  // namespace
}  // namespace trireme

int main(int argc, char** argv) {
  using namespace trireme;
  prepare_for_failures();
  CLI::App app{"Renders Stable Diffusion 3 / 3.5 and PixArt-Sigma jobs on one rank or many."};
  app.require_subcommand(1);
  app.set_version_flag("--version", TRIREME_VERSION);

  std::string job_path;
  std::vector<std::string> overrides;
  RenderOptions render_options;
  auto* render = app.add_subcommand("render", "Make the pictures of a job");
  render->add_option("job", job_path, "The job file (YAML)")->required();
  render
      ->add_option("--set", overrides,
                   "key.path=value: lay a value over the job file; may be given several times")
      ->take_all()
      ->allow_extra_args(false);
  render->add_flag("--quiet", render_options.quiet, "No progress");
  render
      ->add_option("--deadline", render_options.deadline,
                   "Seconds that a rank waits for another one before all end")
      ->capture_default_str()
      ->check(seconds_above_zero());
  render->add_option("--trace", render_options.trace,
                     "A file that tells what each rank did when, for chrome://tracing or Perfetto");

  render->add_flag("--memory-report", render_options.memory_report,
                   "Say what the memory of every rank held, stage by stage");

  InspectOptions inspect_options;
  auto* inspect = app.add_subcommand("inspect", "Say what a checkpoint, a picture or an output is");
  inspect->add_option("path", inspect_options.path, "A folder, org/name or a PNG file")->required();
  inspect->add_flag("--json", inspect_options.json, "For machines");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return told_by_parser(app, error, argc > 1 ? argv[1] : "");
  }

  const auto launched = Launched::from_environment();
  try {
    if (*inspect) return static_cast<int>(delivered(Engine::open().inspect(inspect_options)));
    const auto job = checked_job(job_path, overrides, launched);
    StopSignal stop;
    return static_cast<int>(Engine::open().render(job, render_options, launched, stop));
  } catch (...) {
    const auto failure = Failure::of(std::current_exception());
    say_once(failure, launched);
    return static_cast<int>(failure.exit);
  }
}
