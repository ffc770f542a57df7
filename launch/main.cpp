// trireme: reads the command line and the job, has the engine run one command, turns what went
// wrong into one message and an exit code.
#include <malloc.h>

#include <cstdlib>
#include <iostream>

#include "launch/arguments.h"
#include "launch/engine.h"
#include "launch/failure.h"
#include "src/config/job.h"
#include "src/config/layout.h"

namespace trireme {
namespace {

// Data that did not reach standard output is not a success.
Exit delivered(Exit exit) {
  if (std::cout.flush()) return exit;
  throw Error(Exit::kInputOutput,
              "[output] standard output could not be written -> a place for the data -> it is "
              "closed, its disk is full, or its reader is gone");
}

// Mistakes in the job are told before anything is loaded, by every rank alike.
Exit run_job(const Arguments& arguments, const Launched& launched) {
  check_launcher(std::getenv);
  const auto job = read_job(arguments.job, arguments.overrides);
  check_layout(job, launched.size);
  StopSignal stop;
  if (arguments.command == "render")
    return Engine::open().render(job, arguments.render, launched, stop);
  return delivered(Engine::open().bench(job, arguments.bench, launched, stop));
}

Exit plan(const Arguments& arguments) {
  if (!arguments.plan.learn.empty()) return Engine::open().learn(arguments.plan);
  const auto job = read_job(arguments.job, arguments.overrides);
  return Engine::open().plan(job, arguments.plan);
}

Exit run(const Arguments& arguments, const Launched& launched) {
  const auto& command = arguments.command;
  if (command == "slurm") return delivered(slurm_command(arguments.slurm));
  if (command == "verify") return delivered(verify_command(arguments.verify));
  if (command == "status") return delivered(status_command(arguments.status));
  if (command == "inspect") return delivered(Engine::open().inspect(arguments.inspect));
  if (command == "plan") return delivered(plan(arguments));
  if (arguments.calibrates) return delivered(Engine::open().calibrate(arguments.bench, launched));
  return run_job(arguments, launched);
}

}  // namespace
}  // namespace trireme

int main(int argc, char** argv) {
  using namespace trireme;
  prepare_for_failures();
  // One heap: threads' own would keep 64 MiB of addresses each, and what other threads gave back.
  mallopt(M_ARENA_MAX, 1);
  // MKL's sums are then the same whatever the threads and wherever in memory the numbers lie.
  setenv("MKL_CBWR", "AUTO", /*replace=*/0);
  const auto launched = Launched::from_environment();
  try {
    const auto arguments = parse_arguments(argc, argv);
    const auto exit = arguments.command.empty() ? Exit::kDone : run(arguments, launched);
    return static_cast<int>(exit);
  } catch (...) {
    const auto failure = Failure::of(std::current_exception());
    say_once(failure, launched);
    return static_cast<int>(failure.exit);
  }
}
