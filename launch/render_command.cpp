#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include <iostream>

#include "launch/commands.h"
#include "launch/host.h"
#include "launch/process.h"
#include "launch/workplace.h"
#include "src/config/read_cluster.h"
#include "src/render/render.h"

namespace trireme {
namespace {

Surroundings terminal(const Launched& launched, bool quiet) {
  return {.rank = launched.rank,
          .quiet = quiet,
          .under_launcher = launched.size > 1,
          .is_terminal = isatty(STDERR_FILENO) == 1};
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
}

// mpirun ends its ranks a second after it has passed a signal on; SIGUSR1 is sent ahead of an end.
double grace_of(int signal) {
  return signal == SIGUSR1 ? 30 : 0.8;
}

void say_how_it_ended(Exit exit, const Job& job, int signal, bool says_where) {
  if (exit == Exit::kDone && says_where) std::cout << job.output.path.resolved << std::endl;
  if (exit == Exit::kDrained)
    std::cerr << fmt::format(
        "[render] signal {} -> stopped at a step, nothing is half-written -> "
        "run the same command again to go on\n",
        signal);
}

}  // namespace

Exit render_command(const Job& job, const RenderOptions& options, const Launched& launched,
                    StopSignal& stop) {
  const Process process(launched, {.deadline = milliseconds(options.deadline)});
  at::set_num_threads(job.threads.value_or(process.threads()));
  try {
    const auto [world, device, memory, name, bytes] = workplace_for(job.device, process);
    std::function<void(const std::string&)> memory_report;
    if (options.memory_report) memory_report = [](const std::string& table) { std::cout << table; };
    const auto warning = [](const std::string& line) { std::cerr << line << '\n'; };
    std::function<void(const std::string&)> choice;
    if (!options.quiet)
      choice = [](const std::string& layout) { std::cerr << "layout: " << layout << '\n'; };
    const auto exit = render(
        job,
        {.world = world,
         .host = process.host(),
         .device = device,
         .memory = memory,
         .device_name = name,
         .memory_bytes = bytes,
         .threads = at::get_num_threads(),
         .calibrated = options.cluster.empty() ? calibrated_cluster()
                                               : std::optional(read_cluster(options.cluster)),
         .terminal = terminal(launched, options.quiet),
         .stop_signal = [&] { return stop.received(); },
         .seconds_to_stop = [&] { return options.grace.value_or(grace_of(stop.received())); }},
        {.trace = options.trace, .memory = memory_report, .choice = choice, .warning = warning});
    if (launched.rank == 0) say_how_it_ended(exit, job, stop.received(), options.says_where);
    return exit;
  } catch (...) {
    stop.let_go();
    process.end_all_ranks(Failure::of(std::current_exception()));
  }
}

}  // namespace trireme
