#include "src/render/watch.h"

#include <utility>

namespace trireme {
namespace {

RankMetrics first_metrics(const WatchOptions& options) {
  const auto version = options.start.versions.find("trireme");
  return {.output = options.output.string(),
          .rank = options.rank,
          .replica = options.start.replica,
          .version = version == options.start.versions.end() ? "" : version->second,
          .host = options.start.host,
          .device = options.start.device,
          .fingerprint = options.start.fingerprint,
          .job_samples = options.start.samples};
}

std::map<std::string, double> stage_seconds(const StageClock& clock) {
  std::map<std::string, double> seconds;
  for (const auto stage :
       {Stage::kLoad, Stage::kEncode, Stage::kDenoise, Stage::kDecode, Stage::kWrite})
    seconds[stage_name(stage)] = clock.seconds(stage);
  return seconds;
}

}  // namespace

Watch::Watch(WatchOptions options, const StageClock& clock)
    : options_(std::move(options)),
      clock_(clock),
      log_(options_.output / log_name(options_.rank),
           {.run = options_.run, .rank = options_.rank, .tell = options_.tell}),
      metrics_(options_.output / metrics_name(options_.rank), options_.tell),
      counts_(first_metrics(options_)) {
  if (!options_.trace.empty())
    trace_.emplace(options_.trace, TracedRank{options_.rank, options_.start.replica, options_.lane},
                   options_.tell);
  log_.write(options_.start);
  write_metrics();
}

void Watch::stepped(std::int64_t samples) {
  const std::lock_guard lock(mutex_);
  counts_.steps += samples;
  moved_ = steady_seconds();
}

void Watch::counted(const WatchedCounts& counts) {
  const std::lock_guard lock(mutex_);
  if (counts.done + counts.failed != counts_.done + counts_.failed) moved_ = steady_seconds();
  counts_.done = counts.done;
  counts_.failed = counts.failed;
  counts_.skipped = counts.skipped;
  counts_.written_bytes = counts.written_bytes;
  counts_.waiting_pictures = counts.waiting;
  if (metrics_.is_due()) write_metrics();
}

BatchDone Watch::since_last_batch() {
  auto now = stage_seconds(clock_);
  BatchDone batch{.samples = counts_.done + counts_.failed - told_samples_, .seconds = now};
  for (auto& [stage, seconds] : batch.seconds) seconds -= told_seconds_[stage];
  std::erase_if(batch.seconds, [](const auto& stage) { return stage.second <= 0; });
  told_seconds_ = std::move(now);
  told_samples_ += batch.samples;
  return batch;
}

void Watch::batch_done(std::int64_t first) {
  const std::lock_guard lock(mutex_);
  ++counts_.batches;
  moved_ = steady_seconds();
  auto batch = since_last_batch();
  batch.first = first;
  log_.write(batch);
}

void Watch::recorded(const Span& span) {
  if (trace_) trace_->add(span);
}

void Watch::write_metrics() {
  const double now = steady_seconds();
  counts_.uptime_seconds = now - begun_;
  counts_.since_progress_seconds = now - moved_;
  counts_.stage_seconds = stage_seconds(clock_);
  if (options_.memory_bytes) counts_.memory_bytes = options_.memory_bytes();
  if (options_.sent_bytes) counts_.sent_bytes = options_.sent_bytes();
  metrics_.update(counts_);
}

void Watch::sample_failed(const SampleFailed& sample) {
  const std::lock_guard lock(mutex_);
  log_.write(sample);
}

void Watch::shard_claimed(const ShardClaimed& shard) {
  const std::lock_guard lock(mutex_);
  ++counts_.shards_claimed;
  log_.write(shard);
}

void Watch::shard_sealed(const ShardSealed& shard) {
  const std::lock_guard lock(mutex_);
  ++counts_.shards_sealed;
  log_.write(shard);
}

void Watch::warned(const std::string& text) {
  const std::lock_guard lock(mutex_);
  ++counts_.warnings;
  log_.write(Warned{text});
}

void Watch::signal_came(int signal) {
  const std::lock_guard lock(mutex_);
  log_.write(SignalCame{signal});
}

void Watch::ended(int exit_code) {
  const std::lock_guard lock(mutex_);
  counts_.exit_code = exit_code;
  write_metrics();
  auto rest = since_last_batch();
  rest.batches = 0;
  if (rest.samples > 0 || !rest.seconds.empty()) log_.write(rest);
  log_.write(RunEnded{.exit_code = exit_code,
                      .done = counts_.done,
                      .failed = counts_.failed,
                      .skipped = counts_.skipped});
}

void Watch::trace_is_whole() {
  if (trace_) trace_->remove();
}

}  // namespace trireme
