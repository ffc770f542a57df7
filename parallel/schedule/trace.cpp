#include "parallel/schedule/trace.h"

#include <fmt/format.h>

#include <algorithm>

namespace trireme {
namespace {

bool computes(const Op& op) {
  return op.kind != Op::Kind::kReceive && op.kind != Op::Kind::kSend;
}

}  // namespace

double Trace::seconds() const {
  double last = 0;
  for (const auto& lane : lanes)
    for (const auto& span : lane) last = std::max(last, span.end);
  return last;
}

double Trace::bubble() const {
  const double all = seconds() * static_cast<double>(lanes.size());
  double busy = 0;
  for (const auto& lane : lanes)
    for (const auto& span : lane) busy += computes(span.op) ? span.end - span.begin : 0;
  return all > 0 ? 1 - busy / all : 0;
}

// Names hold no quotes, so they need no escapes.
std::string to_chrome_json(const std::vector<NamedTrace>& traces) {
  constexpr double kMicroseconds = 1e6;
  std::string events;
  const auto add = [&](const std::string& event) {
    events += (events.empty() ? "" : ",\n") + event;
  };
  for (size_t process = 0; process < traces.size(); ++process) {
    const auto& [name, trace] = traces[process];
    add(fmt::format(R"({{"ph":"M","name":"process_name","pid":{},"args":{{"name":"{}"}}}})",
                    process, name));
    for (size_t lane = 0; lane < trace.lanes.size(); ++lane) {
      for (const auto& span : trace.lanes[lane]) {
        add(fmt::format(R"({{"ph":"X","name":"{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f}}})",
                        to_string(span.op), process, lane, span.begin * kMicroseconds,
                        (span.end - span.begin) * kMicroseconds));
      }
    }
  }
  return "{\"traceEvents\":[\n" + events + "\n]}\n";
}

}  // namespace trireme
