#include "src/output/recorder.h"

#include <chrono>
#include <utility>

namespace trireme {
namespace {

// Of samples that are committed together: their journals are synced once.
constexpr std::size_t kMostTogether = 256;

}  // namespace

Recorder::Recorder(FileSystem& files, const ShardStore& store, Claims& claims,
                   RecorderOptions options)
    : store_(store), options_(std::move(options)), ledger_(files, store, claims, options_.writer) {
  for (int i = 0; i < options_.encoders; ++i)
    threads_.emplace_back([this] { run(&Recorder::encode); });
  threads_.emplace_back([this] { run(&Recorder::commit_all); });
  threads_.emplace_back([this] { run(&Recorder::seal_all); });
}

Recorder::~Recorder() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

// The first failure is everybody's: put() and finish() tell it.
void Recorder::run(void (Recorder::*work)()) {
  try {
    (this->*work)();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    over_ = true;
  }
  changed_.notify_all();
}

void Recorder::rethrow_locked() {
  if (failure_) std::rethrow_exception(failure_);
}

void Recorder::begin(const Portion& portion, std::int64_t portion_size, std::int64_t recorded) {
  want_sealed(ledger_.begin(portion, portion_size, recorded));
}

void Recorder::want_sealed(const std::vector<std::int64_t>& places) {
  if (places.empty()) return;
  const std::lock_guard lock(mutex_);
  to_seal_.insert(to_seal_.end(), places.begin(), places.end());
  at_work_ += static_cast<std::int64_t>(places.size());
  changed_.notify_all();
}

void Recorder::put(std::function<Finished()> finish, std::int64_t bytes) {
  std::unique_lock lock(mutex_);
  const auto begin = std::chrono::steady_clock::now();
  changed_.wait(lock, [&] {
    const bool fits = waiting_bytes_ == 0 || waiting_bytes_ + bytes <= options_.most_bytes;
    return over_ || (samples_ < options_.most_samples && fits);
  });
  seconds_waited_ +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  rethrow_locked();
  waiting_bytes_ += bytes;
  ++at_work_;
  ++samples_;
  jobs_.push_back({std::move(finish), bytes});
  changed_.notify_all();
}

void Recorder::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return over_ || at_work_ == 0; });
  rethrow_locked();
}

Verdicts Recorder::recorded() const {
  const std::lock_guard lock(mutex_);
  return recorded_;
}

std::int64_t Recorder::written_bytes() const {
  const std::lock_guard lock(mutex_);
  return written_bytes_;
}

std::int64_t Recorder::waiting() const {
  const std::lock_guard lock(mutex_);
  return samples_;
}

void Recorder::encode() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return over_ || !jobs_.empty(); });
    if (over_) return;
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    auto sample = job.finish();
    sum_sample(sample, store_);
    lock.lock();
    done_.push_back({std::move(sample), job.bytes});
    changed_.notify_all();
  }
}

void Recorder::commit_all() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return over_ || !done_.empty(); });
    if (over_) return;
    std::vector<Done> together;
    while (!done_.empty() && together.size() < kMostTogether) {
      together.push_back(std::move(done_.front()));
      done_.pop_front();
    }
    lock.unlock();
    std::vector<Finished*> samples;
    for (auto& done : together) samples.push_back(&done.sample);
    ledger_.record(samples);
    for (const auto& done : together) {
      lock.lock();
      recorded_.add(done.sample.record.verdict);
      written_bytes_ += done.sample.record.bytes;
      waiting_bytes_ -= done.bytes;
      --samples_;
      lock.unlock();
      options_.recorded(done.sample.record);
      want_sealed(ledger_.count(done.sample.record.index));
    }
    lock.lock();
    at_work_ -= static_cast<std::int64_t>(together.size());
    changed_.notify_all();
  }
}

void Recorder::seal_all() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return over_ || !to_seal_.empty(); });
    if (over_) return;
    const auto place = to_seal_.front();
    to_seal_.pop_front();
    lock.unlock();
    if (ledger_.seal(place)) options_.sealed(place);
    lock.lock();
    --at_work_;
    changed_.notify_all();
  }
}

}  // namespace trireme
