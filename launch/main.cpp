// trireme: reads the command line, runs one command, turns what went wrong into one message and an
// exit code.
#include <CLI/CLI.hpp>

#include "launch/commands.h"
#include "launch/failure.h"

int main(int argc, char** argv) {
  using namespace trireme;
  CLI::App app{"Renders Stable Diffusion 3 / 3.5 and PixArt-Sigma jobs on one rank or many."};
  app.require_subcommand(1);
  app.set_version_flag("--version", TRIREME_VERSION);

  RenderOptions render_options;
  auto* render = app.add_subcommand("render", "Make the pictures of a job");
  render->add_option("job", render_options.job, "The job file (YAML)")->required();
  render->add_option("--set", render_options.overrides,
                     "key.path=value: lay a value over the job file; may be given several times")
      ->take_all()
      ->allow_extra_args(false);
  render->add_flag("--quiet", render_options.quiet, "No progress");

  InspectOptions inspect_options;
  auto* inspect = app.add_subcommand("inspect", "Say what a checkpoint, a picture or an output is");
  inspect->add_option("path", inspect_options.path, "A folder, org/name or a PNG file")->required();
  inspect->add_flag("--json", inspect_options.json, "For machines");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Exit::kUsage);
  }

  const auto launched = Launched::from_environment();
  try {
    const auto exit = *render ? render_command(render_options, launched)
                              : inspect_command(inspect_options);
    return static_cast<int>(exit);
  } catch (...) {
    return static_cast<int>(say_once(Failure::of(std::current_exception()), launched));
  }
}
