#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "launch/commands.h"
#include "launch/failure.h"
#include "launch/stop_signal.h"
#include "parallel/device.h"
#include "src/config/job.h"
#include "src/config/layout.h"
#include "src/render/render.h"

namespace trireme {
namespace {

at::Device device_for(DeviceChoice choice) {
  if (choice == DeviceChoice::kCuda) require_cuda();
  return at::kCPU;
}

}  // namespace

Exit render_command(const RenderOptions& options, const Launched& launched) {
  // Mistakes in the job are told before MPI starts, by every rank alike.
  const auto job = read_job(options.job, options.overrides);
  refuse_unsupported(job);
  check_layout(job, launched.size);
  const auto device = device_for(job.device);

  const StopSignal stop;
  const Process process(launched);
  at::set_num_threads(job.threads.value_or(process.threads()));
  const Machine machine{.world = process.world(),
                        .host = process.host(),
                        .device = device,
                        .terminal = {.rank = launched.rank,
                                     .quiet = options.quiet,
                                     .under_launcher = launched.size > 1,
                                     .is_terminal = isatty(STDERR_FILENO) == 1},
                        .stop_signal = StopSignal::received};
  try {
    const auto exit = render(job, machine);
    if (exit == Exit::kDone && launched.rank == 0)
      std::cout << job.output.path.resolved << std::endl;
    if (exit == Exit::kDrained && launched.rank == 0)
      std::cerr << fmt::format("[render] signal {} -> stopped at a step, nothing half-written -> run "
                               "the same command again to go on\n",
                               StopSignal::received());
    return exit;
  } catch (...) {
    end_all_ranks(process, std::current_exception());
  }
}

}  // namespace trireme
