// Trace: when each rank did what. The simulator makes one from costs, the executor one from what
// happened; both are read alike. Seconds from the beginning.
#pragma once

#include <string>
#include <vector>

#include "parallel/schedule/program.h"

namespace trireme {

struct Span {
  Op op;
  double begin = 0;
  double end = 0;
};

struct Trace {
  std::vector<std::vector<Span>> lanes;  // by rank, in the order of its program

  double seconds() const;          // to the end of the last span
  double busy(size_t rank) const;  // seconds in which it computed
  // The part of the time of the transformer's ranks, from the beginning to the end of all, in which
  // they did not compute: waits, and transfers that nothing hides.
  double bubble() const;
};

// In Chrome's trace format (chrome://tracing, Perfetto): one process a trace, one lane a rank.
struct NamedTrace {
  std::string name;  // "predicted", "measured"
  Trace trace;
};
std::string to_chrome_json(const std::vector<NamedTrace>& traces);

// Its events by themselves, for a file that is written while a run goes on: "[", then these, each
// followed by a comma. The viewers take such an array without its end, wherever it is cut.
std::string chrome_process(size_t process, const std::string& name);
std::string chrome_event(const Span& span, size_t process, size_t lane);

}  // namespace trireme
