#include "src/render/tally.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "src/report/report.h"

namespace trireme {
namespace {

constexpr int kHearer = 0;
constexpr double kSecondsBetweenLetters = 0.2;
constexpr auto kBetweenLooks = std::chrono::milliseconds(20);

// A letter: done, skipped, failed, steps, and whether it is the last.
at::Tensor to_letter(const ProgressCounts& counts, bool end) {
  return at::tensor({counts.done, counts.skipped, counts.failed, counts.steps, int64_t{end}},
                    at::kLong);
}

}  // namespace

Tally::Tally(const Group& world, std::vector<int> tellers)
    : world_(world),
      tells_(std::find(tellers.begin(), tellers.end(), world.rank()) != tellers.end()) {
  if (world.rank() != kHearer) return;
  for (const int rank : tellers) replicas_.push_back({rank, {}, false, {}});
  for (auto& replica : replicas_) expect(replica);
}

void Tally::expect(Replica& replica) const {
  replica.letter.clear();
  if (replica.rank == kHearer || replica.ended) return;
  replica.letter.push_back(world_.start_receive(to_letter({}, false), replica.rank));
}

void Tally::tell(const ProgressCounts& counts, bool end) {
  if (!tells_) return;
  if (world_.rank() == kHearer) {
    for (auto& replica : replicas_) {
      if (replica.rank != kHearer) continue;
      replica.counts = counts;
      replica.ended = end;
    }
    return;
  }
  const double now = steady_seconds();
  if (!end && now - last_told_ < kSecondsBetweenLetters) return;
  last_told_ = now;
  world_.start_send(to_letter(counts, end), kHearer);  // dropped: goes its way by itself
}

void Tally::listen() {
  for (auto& replica : replicas_) {
    while (!replica.letter.empty() && replica.letter[0].ready()) {
      const auto letter = replica.letter[0].wait();
      const auto* numbers = letter.const_data_ptr<int64_t>();
      replica.counts = {
          .done = numbers[0], .skipped = numbers[1], .failed = numbers[2], .steps = numbers[3]};
      replica.ended = numbers[4] != 0;
      expect(replica);
    }
  }
}

ProgressCounts Tally::heard() {
  listen();
  ProgressCounts sum;
  for (const auto& replica : replicas_) {
    sum.done += replica.counts.done;
    sum.skipped += replica.counts.skipped;
    sum.failed += replica.counts.failed;
    sum.steps += replica.counts.steps;
  }
  return sum;
}

bool Tally::complete() {
  listen();
  for (const auto& replica : replicas_)
    if (!replica.ended) return false;
  return true;
}

void Tally::wait_until_complete(const std::function<void()>& meanwhile) {
  const auto end = to_letter({}, true);
  if (world_.rank() != kHearer) {
    world_.start_receive(end, kHearer).wait_without_deadline();
    return;
  }
  for (; !complete(); std::this_thread::sleep_for(kBetweenLooks)) meanwhile();
  for (int rank = 1; rank < world_.size(); ++rank) world_.start_send(end, rank);
}

}  // namespace trireme
