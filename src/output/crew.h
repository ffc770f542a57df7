// Crew: threads that work on tasks of one kind, in any order. Few tasks wait: add() waits for room,
// so that memory stays flat however many there are. Tasks must not throw. Of one thread, or none,
// add() does the work itself.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace trireme {

class Crew {
 public:
  explicit Crew(int threads);
  ~Crew();  // when all is done
  Crew(const Crew&) = delete;

  void add(std::function<void()> task);
  void wait();  // until all that was added is done

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::size_t at_work_ = 0;
  bool over_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace trireme
