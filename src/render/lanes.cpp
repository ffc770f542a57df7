#include "src/render/lanes.h"

#include <fmt/format.h>

#include "parallel/schedule/simulate.h"

namespace trireme {
namespace {

constexpr int64_t kNumbers = 6;  // of a span in a message

at::Tensor to_tensor(const std::vector<Span>& lane) {
  std::vector<double> numbers;
  for (const auto& [op, begin, end] : lane)
    for (const double number :
         {static_cast<double>(op.kind), static_cast<double>(op.visit.batch),
          static_cast<double>(op.visit.step), static_cast<double>(op.peer), begin, end})
      numbers.push_back(number);
  return at::tensor(numbers, at::kDouble).view({-1, kNumbers});
}

std::vector<Span> to_lane(const at::Tensor& spans) {
  const auto rows = spans.contiguous();
  const auto* numbers = rows.const_data_ptr<double>();
  std::vector<Span> lane(spans.size(0));
  for (auto& [op, begin, end] : lane) {
    op.kind = static_cast<Op::Kind>(numbers[0]);
    op.visit = {static_cast<int64_t>(numbers[1]), static_cast<int64_t>(numbers[2])};
    op.peer = static_cast<int>(numbers[3]);
    begin = numbers[4];
    end = numbers[5];
    numbers += kNumbers;
  }
  return lane;
}

Trace some_of(const Trace& world, size_t first, size_t ranks) {
  const auto begin = world.lanes.begin() + static_cast<std::ptrdiff_t>(first);
  return {{begin, begin + static_cast<std::ptrdiff_t>(ranks)}};
}

}  // namespace

Trace gather_lanes(const Group& world, const std::vector<Span>& mine) {
  const auto counts =
      world.all_gather(at::tensor({static_cast<int64_t>(mine.size())}, at::kLong), 0);
  const auto* begin = counts.const_data_ptr<int64_t>();
  const std::vector<int64_t> lengths(begin, begin + counts.numel());
  const auto all = world.all_gather(to_tensor(mine), 0, Split::of_lengths(lengths));
  Trace trace;
  for (const auto& lane : all.split_with_sizes(lengths)) trace.lanes.push_back(to_lane(lane));
  return trace;
}

std::vector<ReplicaLanes> lanes_of_replicas(const Trace& world, const Roles& roles, int in_flight) {
  std::vector<ReplicaLanes> replicas;
  for (size_t first = 0; first < world.lanes.size(); first += roles.size()) {
    const auto measured = some_of(world, first, roles.size());
    const auto programs = make_programs(roles, in_flight, steps_in(measured));
    replicas.push_back(
        {roles, in_flight, measured, simulate(roles, programs, {.compute = mean_costs(measured)})});
  }
  return replicas;
}

ScheduleReport schedule_report(const ReplicaLanes& lanes, int replica) {
  ScheduleReport report{.replica = replica,
                        .stages = stage_count(lanes.roles),
                        .in_flight = lanes.in_flight,
                        .seconds = {lanes.predicted.seconds(), lanes.measured.seconds()},
                        .bubble = {lanes.predicted.bubble(), lanes.measured.bubble()},
                        .busy_seconds = {}};
  for (size_t rank = 0; rank < lanes.roles.size(); ++rank)
    report.busy_seconds.push_back({lanes.predicted.busy(rank), lanes.measured.busy(rank)});
  return report;
}

std::string to_chrome_json(const std::vector<ReplicaLanes>& replicas) {
  std::vector<NamedTrace> traces;
  for (size_t r = 0; r < replicas.size(); ++r) {
    traces.push_back({fmt::format("replica {}, predicted", r), replicas[r].predicted});
    traces.push_back({fmt::format("replica {}, measured", r), replicas[r].measured});
  }
  return to_chrome_json(traces);
}

}  // namespace trireme
