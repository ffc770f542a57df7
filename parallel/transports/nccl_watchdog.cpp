#include "parallel/transports/nccl_watchdog.h"

#include <algorithm>
#include <cstdio>
#include <future>

namespace trireme {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kRing = 32;
constexpr auto kAbortLimit = std::chrono::seconds(3);
constexpr auto kPartingTime = milliseconds(1000);
constexpr auto kLongestNap = milliseconds(50);  // between two looks

// In one piece, as other threads and processes write too.
void say(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

// LibTorch's messages go on with a stack trace.
std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

// From eager to patient: a short wait costs no switch, a long one leaves the core to others.
void pause(int64_t round) {
  if (round < 200) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

}  // namespace

NcclWatchdog::NcclWatchdog(std::shared_ptr<NcclLibrary> library, const Place& place,
                           milliseconds deadline, EndRank end)
    : library_(std::move(library)),
      place_(place),
      deadline_(deadline),
      end_(std::move(end)),
      last_progress_(Clock::now()),
      thread_([this] { run(); }) {}

NcclWatchdog::~NcclWatchdog() {
  {
    const Held held(lock_);
    stopped_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void NcclWatchdog::expect_sound() const {
  if (!failed_) return;
  const Held held(lock_);
  throw Error(failure_->exit, failure_->text);
}

void NcclWatchdog::guard(NcclComm comm) {
  const Held held(lock_);
  comms_.push_back(comm);
}

void NcclWatchdog::let_go(NcclComm comm) noexcept {
  const bool in_order = ends_in_time(comm);
  {
    const Held held(lock_);
    const auto found = std::find(comms_.begin(), comms_.end(), comm);
    if (found == comms_.end()) return;  // aborted with all others
    comms_.erase(found);
    for (auto& [stream, operations] : under_way_) {
      std::erase_if(operations, [&](const auto& operation) { return operation->comm == comm; });
    }
  }
  end({comm}, in_order);
}

// That can hang on a broken device: it gets a while, on a thread of its own, and only once.
void NcclWatchdog::end(std::vector<NcclComm> comms, bool flushed) noexcept {
  if (device_hangs_) return;
  std::packaged_task<void()> task([library = library_, comms = std::move(comms), flushed] {
    for (auto* comm : comms) flushed ? library->destroy(comm) : library->abort(comm);
  });
  const auto done = task.get_future();
  std::thread(std::move(task)).detach();
  device_hangs_ = done.wait_for(kAbortLimit) == std::future_status::timeout;
}

// In good order its work is done by now, and what was sent only has to leave. What takes longer
// will not end: its peers may be gone.
bool NcclWatchdog::ends_in_time(NcclComm comm) {
  const auto until = Clock::now() + kPartingTime;
  const auto comes_true = [&](bool (NcclWatchdog::*over)(NcclComm)) {
    while (in_order_ && !failed_ && !(this->*over)(comm)) {
      if (Clock::now() > until) in_order_ = false;
      pause(200);
    }
    return in_order_ && !failed_;
  };
  if (!comes_true(&NcclWatchdog::idle)) return false;
  {
    const Held held(lock_);
    if (library_->finalize(comm).state == NcclAnswer::kFailed) return false;
  }
  return comes_true(&NcclWatchdog::flushed);
}

bool NcclWatchdog::flushed(NcclComm comm) {
  return state(comm).state == NcclAnswer::kDone;
}

NcclAnswer NcclWatchdog::state(NcclComm comm) const {
  const Held held(lock_);
  if (failed_) return {};  // it may have been aborted
  return library_->state(comm);
}

std::shared_ptr<NcclOperation> NcclWatchdog::begin(NcclOperation operation) {
  const auto shared = std::make_shared<NcclOperation>(std::move(operation));
  const Held held(lock_);
  shared->number = ++count_;
  shared->posted = shared->since = Clock::now();
  ring_.push_back(shared);
  if (ring_.size() > kRing) ring_.pop_front();
  return shared;
}

void NcclWatchdog::enqueued(const std::shared_ptr<NcclOperation>& operation) {
  const Held held(lock_);
  operation->state = NcclOperation::kQueued;
  under_way_[operation->stream].push_back(operation);
}

void NcclWatchdog::finished(NcclOperation& operation) {
  const Held held(lock_);
  operation.state = NcclOperation::kDone;
}

void NcclWatchdog::release(NcclOperation& operation) {
  const Held held(lock_);
  operation.tensors.clear();
}

void NcclWatchdog::wait(const std::shared_ptr<NcclOperation>& operation,
                        const std::function<bool()>& over) {
  const auto look_out = [&](const std::shared_ptr<NcclOperation>& wait) {
    const Held held(lock_);
    host_wait_ = wait;
  };
  look_out(operation);
  try {
    for (int64_t round = 0; !failed_ && !over(); ++round) pause(round);
  } catch (const std::exception& error) {  // the device itself
    look_out(nullptr);
    fail(*operation, first_line(error));
  }
  look_out(nullptr);
  expect_sound();
}

void NcclWatchdog::fail(const NcclOperation& operation, const std::string& error) {
  {
    Held held(lock_);
    if (!failed_) fail_as(held, broken(operation, error));
  }
  expect_sound();
  std::abort();  // not reached
}

void NcclWatchdog::stop(const std::string& reason, Exit exit) {
  {
    const Held held(lock_);
    if (!failure_) failure_ = Failure{exit, reason};
    failed_ = true;
  }
  abort_all();
}

void NcclWatchdog::run() {
  const auto nap = std::clamp(deadline_ / 10, milliseconds(1), kLongestNap);
  Held held(lock_);
  while (!stopped_ && !failed_) {
    changed_.wait_for(held, nap);
    if (stopped_ || failed_) return;
    auto found = judge(Clock::now());
    if (!found) continue;
    const bool host_tells = host_wait_ != nullptr;
    if (!host_tells) say(found->text + "\n");
    fail_as(held, std::move(*found));
    if (!host_tells) end_(Exit::kTryElsewhere);
    return;
  }
}

// Also called with the host's own finding. Gives the lock back.
void NcclWatchdog::fail_as(Held& held, Failure failure) {
  say(last_operations(Clock::now()));
  failure_ = std::move(failure);
  failed_ = true;
  held.unlock();
  abort_all();
}

void NcclWatchdog::abort_all() {
  std::vector<NcclComm> comms;
  {
    const Held held(lock_);
    comms.swap(comms_);
  }
  end(std::move(comms), false);
}

std::optional<NcclWatchdog::Failure> NcclWatchdog::judge(Time now) {
  try {
    advance(now);
    for (auto* comm : comms_) {
      const auto answer = library_->state(comm);
      if (answer.state == NcclAnswer::kFailed) return broken(comm, answer.error);
    }
  } catch (const std::exception& error) {  // the device itself
    return broken(nullptr, first_line(error));
  }
  for (const auto& [stream, operations] : under_way_) {
    if (!operations.empty() && is_late(*operations.front(), now))
      return late(*operations.front(), operations.front()->since, now);
  }
  if (host_wait_ && is_late(*host_wait_, now))
    return late(cause_of(*host_wait_), host_wait_->since, now);
  return std::nullopt;
}

// A barrier waits for its stream: what is under way there is what it waits for.
const NcclOperation& NcclWatchdog::cause_of(const NcclOperation& host_wait) const {
  const auto found = under_way_.find(host_wait.stream);
  const bool names_itself =
      host_wait.comm != nullptr || found == under_way_.end() || found->second.empty();
  return names_itself ? host_wait : *found->second.front();
}

// What a stream was given ends in its order, so only the first of each is asked for.
void NcclWatchdog::advance(Time now) {
  for (auto& [stream, operations] : under_way_) {
    while (!operations.empty()) {
      auto& first = *operations.front();
      if (first.state == NcclOperation::kQueued && first.begun->done()) {
        first.state = NcclOperation::kRunning;
        first.since = now;
      }
      if (first.state != NcclOperation::kRunning || !first.done->done()) break;
      first.state = NcclOperation::kDone;
      first.tensors.clear();
      last_progress_ = now;
      operations.pop_front();
    }
  }
}

// An operation on a stream may be late when its turn has come; the host's own wait, when nothing at
// all has moved on for as long.
bool NcclWatchdog::is_late(const NcclOperation& operation, Time now) const {
  switch (operation.state) {
    case NcclOperation::kRunning:
      return now - operation.since >= deadline_;
    case NcclOperation::kBeingMade:
      return now - std::max(operation.since, last_progress_) >= deadline_;
    default:
      return false;
  }
}

NcclWatchdog::Failure NcclWatchdog::late(const NcclOperation& operation, Time since,
                                         Time now) const {
  const double waited = std::chrono::duration<double>(now - since).count();
  return {Exit::kUnavailable, place_.text() + ": " + operation.is_late(waited)};
}

NcclWatchdog::Failure NcclWatchdog::broken(NcclComm comm, const std::string& error) const {
  for (const auto& [stream, operations] : under_way_) {
    for (const auto& operation : operations) {
      if (operation->comm == comm || comm == nullptr) return broken(*operation, error);
    }
  }
  return broken(host_wait_ ? *host_wait_ : NcclOperation{"communication"}, error);
}

NcclWatchdog::Failure NcclWatchdog::broken(const NcclOperation& operation,
                                           const std::string& error) const {
  return {Exit::kTryElsewhere, place_.text() + ": " + operation.is_broken(error)};
}

bool NcclWatchdog::idle(NcclComm comm) {
  const Held held(lock_);
  try {
    advance(Clock::now());
  } catch (const std::exception&) {
    return false;  // the device is lost, which the next look tells
  }
  return std::none_of(under_way_.begin(), under_way_.end(), [&](const auto& stream) {
    return std::any_of(stream.second.begin(), stream.second.end(),
                       [&](const auto& operation) { return operation->comm == comm; });
  });
}

std::string NcclWatchdog::last_operations(Time now) const {
  auto text = place_.text() + ": its last operations, oldest first:\n";
  for (const auto& operation : ring_) text += "  " + operation->line(now) + "\n";
  return text;
}

}  // namespace trireme
