#include "src/report/timeline.h"

#include <algorithm>
#include <cmath>
#include <system_error>

namespace trireme {
namespace {

constexpr std::size_t kMostWarnings = 20;
constexpr std::size_t kKeptFailures = 10000;  // in memory; a job may have a million

struct Stretch {
  double begin, end;
};

// Gives a piece of work to the slots that it lies in: of each, the slot and which part of the
// piece.
template <class Take>
void over_slots(const Stretch& span, double seconds, std::size_t slots, const Take& take) {
  if (seconds <= 0 || slots == 0) return;
  const double width = seconds / static_cast<double>(slots);
  const auto slot_of = [&](double at) {
    return std::min(slots - 1, static_cast<std::size_t>(std::max(at, 0.0) / width));
  };
  const double length = span.end - span.begin;
  if (length <= 0) return take(slot_of(span.end), 1.0);
  for (auto slot = slot_of(span.begin); slot <= slot_of(span.end); ++slot) {
    const double from = std::max(span.begin, static_cast<double>(slot) * width);
    const double to = std::min(span.end, static_cast<double>(slot + 1) * width);
    if (to > from) take(slot, (to - from) / length);
  }
}

}  // namespace

std::optional<std::size_t> stage_place(const std::string& name) {
  for (std::size_t place = 0; place < kStages; ++place)
    if (stage_name(static_cast<Stage>(place)) == name) return place;
  return std::nullopt;
}

// Where the times of runs lie when those without a run are left out.
class TimelineMaker::Axis {
 public:
  explicit Axis(const std::map<std::string, Run>& runs) {
    std::vector<Stretch> all;
    for (const auto& [name, run] : runs) all.push_back({run.begun, run.begun + run.last});
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.begin < b.begin; });
    for (const auto& run : all) {
      if (pieces_.empty() || run.begin > pieces_.back().end) {
        offsets_.push_back(seconds());
        pieces_.push_back(run);
      } else {
        pieces_.back().end = std::max(pieces_.back().end, run.end);
      }
    }
  }

  double seconds() const {
    return pieces_.empty() ? 0 : offsets_.back() + pieces_.back().end - pieces_.back().begin;
  }
  double at(double wall) const {
    const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), wall,
                                        [](double a, const Stretch& b) { return a < b.begin; });
    const auto piece = after == pieces_.begin() ? 0 : after - pieces_.begin() - 1;
    const auto& of = pieces_[static_cast<std::size_t>(piece)];
    return offsets_[static_cast<std::size_t>(piece)] + std::min(wall, of.end) - of.begin;
  }

 private:
  std::vector<Stretch> pieces_;  // of wall time in which somebody worked
  std::vector<double> offsets_;
};

TimelineMaker::Run& TimelineMaker::run_of(const LoggedEvent& event) {
  const double begun = event.time - event.seconds;
  auto& run = runs_.try_emplace(event.run, Run{.begun = begun}).first->second;
  run.last = std::max(run.last, event.seconds);
  return run;
}

void TimelineMaker::add_work(const LoggedEvent& event, const BatchDone& batch) {
  const auto at = runs_.find(event.run);
  auto& run = at->second;
  run.done += batch.samples;
  Work work{.rank = event.rank,
            .run = &at->first,
            .begin = run.told[event.rank],
            .end = event.seconds,
            .samples = batch.samples,
            .seconds = {}};
  run.told[event.rank] = event.seconds;
  for (const auto& [stage, seconds] : batch.seconds)
    if (const auto place = stage_place(stage)) work.seconds[*place] += seconds;
  work_.push_back(work);
}

void TimelineMaker::add(const LoggedEvent& event) {
  auto& run = run_of(event);
  if (const auto* started = std::get_if<RunStarted>(&event.event)) {
    if (event.rank == 0) run.host = started->host;
    run.ranks = std::max(run.ranks, started->ranks);
    if (event.time >= samples_known_) {
      samples_known_ = event.time;
      samples_ = started->samples;
    }
  } else if (const auto* batch = std::get_if<BatchDone>(&event.event)) {
    add_work(event, *batch);
  } else if (const auto* failed = std::get_if<SampleFailed>(&event.event)) {
    if (failures_.size() < kKeptFailures) failures_[failed->index] = *failed;
  } else if (const auto* warned = std::get_if<Warned>(&event.event)) {
    if (warnings_.size() == kMostWarnings) warnings_.erase(warnings_.begin());
    warnings_.push_back(warned->text);
  } else if (const auto* ended = std::get_if<RunEnded>(&event.event)) {
    run.exit_code = std::max(run.exit_code.value_or(0), ended->exit_code);
  }
}

void TimelineMaker::fill_rate(Timeline& line, const Axis& axis, std::size_t slots) const {
  line.rate.assign(slots, 0);
  const double width = axis.seconds() / static_cast<double>(slots);
  for (const auto& work : work_) {
    const double begun = runs_.at(*work.run).begun;
    over_slots({axis.at(begun + work.begin), axis.at(begun + work.end)}, axis.seconds(), slots,
               [&](std::size_t slot, double part) {
                 line.rate[slot] += part * static_cast<double>(work.samples) / width;
               });
  }
}

void TimelineMaker::fill_lanes(Timeline& line, const Axis& axis, std::size_t slots,
                               std::size_t most) const {
  std::map<int, std::vector<StageSeconds>> lanes;
  const double width = axis.seconds() / static_cast<double>(slots);
  for (const auto& work : work_) {
    if (lanes.size() == most && !lanes.contains(work.rank)) continue;
    auto& lane = lanes.try_emplace(work.rank, slots).first->second;
    const double begun = runs_.at(*work.run).begun;
    over_slots({axis.at(begun + work.begin), axis.at(begun + work.end)}, axis.seconds(), slots,
               [&](std::size_t slot, double part) {
                 for (std::size_t stage = 0; stage < kStages; ++stage)
                   lane[slot][stage] += part * work.seconds[stage] / width;
               });
  }
  for (auto& [rank, parts] : lanes) line.lanes.push_back({rank, std::move(parts)});
}

Timeline TimelineMaker::finish(std::size_t rate_slots, std::size_t lane_slots,
                               std::size_t most_lanes) const {
  const Axis axis(runs_);
  Timeline line{
      .seconds = axis.seconds(), .samples = samples_, .failures = failures_, .warnings = warnings_};
  for (const auto& [name, run] : runs_)
    line.runs.push_back({.begun = utc(run.begun),
                         .host = run.host,
                         .ranks = run.ranks,
                         .at = axis.at(run.begun),
                         .seconds = run.last,
                         .done = run.done,
                         .exit_code = run.exit_code});
  std::sort(line.runs.begin(), line.runs.end(),
            [](const auto& a, const auto& b) { return a.begun < b.begun; });
  if (axis.seconds() <= 0) return line;
  fill_rate(line, axis, rate_slots);
  fill_lanes(line, axis, lane_slots, most_lanes);
  return line;
}

TimelineMaker read_logs(const std::filesystem::path& output) {
  TimelineMaker maker;
  std::vector<std::filesystem::path> logs;
  std::error_code none;
  for (std::filesystem::directory_iterator at(output / "logs", none), end; !none && at != end;
       at.increment(none))
    if (at->path().extension() == ".jsonl") logs.push_back(at->path());
  std::sort(logs.begin(), logs.end());
  for (const auto& log : logs)
    read_events(log, [&](const LoggedEvent& event) { maker.add(event); });
  return maker;
}

}  // namespace trireme
