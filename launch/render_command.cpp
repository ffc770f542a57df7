#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "launch/commands.h"
#include "launch/process.h"
#include "parallel/device.h"
#include "parallel/host_memory.h"
#include "src/render/render.h"

namespace trireme {
namespace {

// Where this rank works: its world and device, with the GPU loaded only if the job asks for it.
struct Place {
  Group world;
  at::Device device;
  TensorMemory memory;
};

TensorMemory host_memory() {
  auto& memory = HostMemory::counted();
  return {.bytes = [&memory] { return memory.bytes(); },
          .peak = [&memory] { return memory.peak(); },
          .mark = [&memory] { memory.mark(); }};
}

// `auto` is the CPU: the CUDA half has not run on a GPU yet (docs/gpu.md).
Place place_for(DeviceChoice choice, const Process& process) {
  if (choice != DeviceChoice::kCuda) return {process.world(), at::kCPU, host_memory()};
  const auto cuda = CudaRuntime::open();
  const int device = process.local_rank() % cuda.devices();
  cuda.use(device);
  return {process.world_on(cuda, device),
          at::Device(at::kCUDA, static_cast<int8_t>(device)),
          {.bytes = [cuda, device] { return cuda.bytes(device); },
           .peak = [cuda, device] { return cuda.peak_bytes(device); },
           .mark = [cuda, device] { cuda.mark_peak(device); }}};
}

Surroundings terminal(const Launched& launched, bool quiet) {
  return {.rank = launched.rank,
          .quiet = quiet,
          .under_launcher = launched.size > 1,
          .is_terminal = isatty(STDERR_FILENO) == 1};
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
}

void say_how_it_ended(Exit exit, const Job& job, int signal) {
  if (exit == Exit::kDone) std::cout << job.output.path.resolved << std::endl;
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
    const auto [world, device, memory] = place_for(job.device, process);
    std::function<void(const std::string&)> memory_report;
    if (options.memory_report) memory_report = [](const std::string& table) { std::cout << table; };
    const auto exit = render(job,
                             {.world = world,
                              .host = process.host(),
                              .device = device,
                              .memory = memory,
                              .terminal = terminal(launched, options.quiet),
                              .stop_signal = [&] { return stop.received(); }},
                             {.trace = options.trace, .memory = memory_report});
    if (launched.rank == 0) say_how_it_ended(exit, job, stop.received());
    return exit;
  } catch (...) {
    stop.let_go();
    process.end_all_ranks(Failure::of(std::current_exception()));
  }
}

}  // namespace trireme
