// What one rank measured of its run, as its RankReport.
#pragma once

#include "src/render/machine.h"
#include "src/render/memory_meter.h"
#include "src/report/report.h"

namespace trireme {

// `staged`: the rank held one component at a time.
RankReport measured_report(const Machine& machine, const StageClock& clock,
                           const MemoryMeter& memory, bool staged);

}  // namespace trireme
