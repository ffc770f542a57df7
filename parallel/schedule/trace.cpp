#include "parallel/schedule/trace.h"

#include <fmt/format.h>

#include <algorithm>

namespace trireme {
namespace {

using Lane = std::vector<Span>;

bool computes(const Span& span) {
  switch (span.op.kind) {
    case Op::Kind::kEncode:
    case Op::Kind::kBegin:
    case Op::Kind::kForward:
    case Op::Kind::kStep:
    case Op::Kind::kDecode:
      return true;
    default:
      return false;
  }
}

bool is_of_a_stage(const Lane& lane) {
  return std::any_of(lane.begin(), lane.end(),
                     [](const Span& span) { return span.op.kind == Op::Kind::kForward; });
}

}  // namespace

double Trace::seconds() const {
  double last = 0;
  for (const auto& lane : lanes)
    for (const auto& span : lane) last = std::max(last, span.end);
  return last;
}

double Trace::busy(size_t rank) const {
  double seconds = 0;
  for (const auto& span : lanes[rank]) seconds += computes(span) ? span.end - span.begin : 0;
  return seconds;
}

double Trace::bubble() const {
  double all = 0, busy_seconds = 0;
  for (size_t rank = 0; rank < lanes.size(); ++rank) {
    if (!is_of_a_stage(lanes[rank])) continue;
    all += seconds();
    busy_seconds += busy(rank);
  }
  return all > 0 ? 1 - busy_seconds / all : 0;
}

// Names hold no quotes, so they need no escapes.
std::string chrome_process(size_t process, const std::string& name) {
  return fmt::format(R"({{"ph":"M","name":"process_name","pid":{},"args":{{"name":"{}"}}}})",
                     process, name);
}

std::string chrome_event(const Span& span, size_t process, size_t lane) {
  constexpr double kMicroseconds = 1e6;
  return fmt::format(R"({{"ph":"X","name":"{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f}}})",
                     to_string(span.op), process, lane, span.begin * kMicroseconds,
                     (span.end - span.begin) * kMicroseconds);
}

std::string to_chrome_json(const std::vector<NamedTrace>& traces) {
  std::string events;
  const auto add = [&](const std::string& event) {
    events += (events.empty() ? "" : ",\n") + event;
  };
  for (size_t process = 0; process < traces.size(); ++process) {
    const auto& [name, trace] = traces[process];
    add(chrome_process(process, name));
    for (size_t lane = 0; lane < trace.lanes.size(); ++lane)
      for (const auto& span : trace.lanes[lane]) add(chrome_event(span, process, lane));
  }
  return "{\"traceEvents\":[\n" + events + "\n]}\n";
}

}  // namespace trireme
