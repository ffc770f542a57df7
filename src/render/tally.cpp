#include "src/render/tally.h"

#include "src/report/report.h"

namespace trireme {
namespace {

constexpr double kSecondsBetweenLetters = 0.2;

// A letter: done, skipped, failed, steps, and whether it is the last.
at::Tensor to_letter(const ProgressCounts& counts, bool end) {
  return at::tensor({counts.done, counts.skipped, counts.failed, counts.steps, int64_t{end}},
                    at::kLong);
}

}  // namespace

Tally::Tally(const Group& world, int replicas)
    : world_(world), leads_(world.rank() % (world.size() / replicas) == 0) {
  if (world.rank() != 0) return;
  for (int r = 0; r < replicas; ++r)
    replicas_.push_back({r * (world.size() / replicas), {}, false, {}});
  for (auto& replica : replicas_) expect(replica);
}

void Tally::expect(Replica& replica) const {
  replica.letter.clear();
  if (replica.rank == 0 || replica.ended) return;
  replica.letter.push_back(world_.start_receive(to_letter({}, false), replica.rank));
}

void Tally::tell(const ProgressCounts& counts, bool end) {
  if (!leads_) return;
  if (world_.rank() == 0) {
    replicas_[0].counts = counts;
    replicas_[0].ended = end;
    return;
  }
  const double now = steady_seconds();
  if (!end && now - last_told_ < kSecondsBetweenLetters) return;
  last_told_ = now;
  world_.start_send(to_letter(counts, end), 0);  // dropped: goes its way by itself
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

}  // namespace trireme
