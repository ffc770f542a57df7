#include "src/output/crew.h"

#include <utility>

namespace trireme {
namespace {

constexpr std::size_t kWaitingOfEach = 4;

}  // namespace

Crew::Crew(int threads) {
  for (int i = 0; i < threads && threads > 1; ++i) threads_.emplace_back([this] { work(); });
}

Crew::~Crew() {
  wait();
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Crew::add(std::function<void()> task) {
  if (threads_.empty()) return task();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.size() < kWaitingOfEach * threads_.size(); });
  tasks_.push_back(std::move(task));
  changed_.notify_all();
}

void Crew::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.empty() && at_work_ == 0; });
}

void Crew::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return over_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const auto task = std::move(tasks_.front());
    tasks_.pop_front();
    ++at_work_;
    lock.unlock();
    task();
    lock.lock();
    --at_work_;
    changed_.notify_all();
  }
}

}  // namespace trireme
