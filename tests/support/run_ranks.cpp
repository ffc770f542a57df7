#include "tests/support/run_ranks.h"

#include <ATen/Parallel.h>

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "parallel/transports/threads.h"

namespace trireme {

void run_ranks(int ranks, const std::function<void(Group)>& body,
               std::chrono::milliseconds deadline) {
  run_transports(
      ranks, [&](const auto& transport) { body(Group(transport)); }, deadline);
}

void run_transports(int ranks, const std::function<void(const std::shared_ptr<Transport>&)>& body,
                    std::chrono::milliseconds deadline) {
  const auto transports = thread_transports(ranks, {.deadline = deadline});
  std::mutex lock;
  std::exception_ptr first;
  const auto fail = [&](Transport& transport, const std::string& what) {
    {
      const std::lock_guard held(lock);
      if (!first) first = std::current_exception();
    }
    transport.abort(what, Exit::kUnavailable);
  };
  const auto run = [&](int rank) {
    const c10::InferenceMode inference;
    at::set_num_threads(1);  // the ranks are the threads
    try {
      body(transports[rank]);
    } catch (const std::exception& error) {
      fail(*transports[rank], error.what());
    } catch (...) {
      fail(*transports[rank], "something that is no std::exception");
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) threads.emplace_back(run, rank);
  for (auto& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace trireme
