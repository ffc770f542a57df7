#include "src/report/event_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <utility>

namespace trireme {
namespace {

double system_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

EventLogOptions complete(EventLogOptions options) {
  if (!options.wall_clock) options.wall_clock = system_seconds;
  if (options.run.empty()) options.run = new_run();
  return options;
}

BatchDone together(BatchDone first, const BatchDone& second) {
  first.batches += second.batches;
  first.samples += second.samples;
  for (const auto& [stage, seconds] : second.seconds) first.seconds[stage] += seconds;
  return first;
}

}  // namespace

EventLog::EventLog(std::filesystem::path path, EventLogOptions options)
    : options_(complete(std::move(options))),
      file_(std::move(path), AppendedFile::Open::kGoesOn, options_.tell),
      begun_(options_.now()) {}

EventLog::~EventLog() {
  if (waiting_) write_line(*waiting_);
}

// Whether this batch, and those that waited with it, wait for the next one.
bool EventLog::waits(const BatchDone& batch) {
  waiting_ = waiting_ ? together(*waiting_, batch) : batch;
  return last_batch_ && options_.now() - *last_batch_ < options_.seconds_between_batches;
}

void EventLog::write(const Event& event) {
  const auto* batch = std::get_if<BatchDone>(&event);
  if (batch && waits(*batch)) return;
  if (waiting_) {
    write_line(*std::exchange(waiting_, std::nullopt));
    last_batch_ = options_.now();
  }
  if (!batch) write_line(event);
}

void EventLog::write_line(const Event& event) {
  file_.line(to_line({.time = options_.wall_clock(),
                      .seconds = options_.now() - begun_,
                      .run = options_.run,
                      .rank = options_.rank,
                      .event = event}));
}

std::string new_run() {
  return fmt::format("{}-{}-{:08x}", host_name(), getpid(), std::random_device{}());
}

std::filesystem::path log_name(int rank) {
  return fmt::format("logs/rank-{:05}.jsonl", rank);
}

}  // namespace trireme
