#include "src/render/measured_report.h"

#include <algorithm>

namespace trireme {
namespace {

// The most that a stage and the weights beside it took together.
int64_t peak_of_tensors(const RankReport& report, bool staged) {
  int64_t weights = 0, beyond = 0, together = 0;
  for (const auto& [name, stage] : report.stages) {
    const auto more = stage.activations_bytes + stage.buffers_bytes;
    weights += stage.weights_bytes;
    beyond = std::max(beyond, more);
    together = std::max(together, stage.weights_bytes + more);
  }
  return staged ? together : weights + beyond;
}

}  // namespace

RankReport measured_report(const Machine& machine, const StageClock& clock,
                           const MemoryMeter& memory, bool staged) {
  RankReport report{.rank = machine.world.rank(),
                    .host = machine.host,
                    .device = machine.device.str(),
                    .host_peak_bytes = peak_host_bytes()};
  report.peak_bytes = report.host_peak_bytes;
  for (const auto& [kind, count] : machine.world.traffic().by_kind)
    report.sent_bytes[kind] = count.bytes;
  set_stages(report, clock);
  memory.fill(report);
  if (machine.device.is_cuda()) report.peak_bytes = peak_of_tensors(report, staged);
  return report;
}

}  // namespace trireme
