#include "parallel/schedule/turns.h"

#include <utility>

namespace trireme {
namespace {

at::Tensor to_tensor(int64_t letter) {
  return at::tensor(letter, at::kLong);
}

}  // namespace

Turns::Turns(Group group, int leader, std::function<bool(int64_t turn)> stops_before)
    : group_(std::move(group)), leader_(leader), stops_before_(std::move(stops_before)) {
  meet();
  if (leads()) letters_.resize(group_.size());
  for (int rank = 0; rank < static_cast<int>(letters_.size()); ++rank) expect_from(rank);
}

void Turns::tell(int rank, Letter letter) const {
  if (rank != group_.rank()) group_.start_send(to_tensor(letter), rank);
}

void Turns::expect_from(int rank) {
  if (rank == leader_) return;
  letters_[rank].clear();
  letters_[rank].push_back(group_.start_receive(to_tensor(0), rank));
}

bool Turns::is_taken(int64_t turn, bool wants_to_stop) {
  while (!stopped_ && asked_ <= turn) {
    stopped_ = !(leads() ? decide(asked_, wants_to_stop) : hear(wants_to_stop));
    if (!stopped_) ++asked_;
  }
  return turn < asked_;
}

bool Turns::decide(int64_t turn, bool wants_to_stop) {
  wanted_ |= wants_to_stop;
  wanted_ |= somebody_wants_to_stop();
  const auto letter = wanted_ && stops_before_(turn) ? kStop : kGoOn;
  for (int rank = 0; rank < group_.size(); ++rank) tell(rank, letter);
  return letter == kGoOn;
}

bool Turns::somebody_wants_to_stop() {
  bool wants = false;
  for (int rank = 0; rank < group_.size(); ++rank) {
    if (letters_[rank].empty() || !letters_[rank][0].ready()) continue;
    const auto letter = letters_[rank][0].wait().item<int64_t>();
    letters_[rank].clear();
    wants |= letter == kStop;
    if (letter == kStop) expect_from(rank);  // its last
  }
  return wants;
}

bool Turns::hear(bool wants_to_stop) {
  if (wants_to_stop && !std::exchange(told_, true)) tell(leader_, kStop);
  return group_.receive(to_tensor(0), leader_).item<int64_t>() == kGoOn;
}

void Turns::finish() {
  if (!leads()) {
    tell(leader_, kDone);
  } else {
    for (auto& expected : letters_) {
      const int rank = static_cast<int>(&expected - letters_.data());
      while (!expected.empty()) {
        const auto letter = expected[0].wait_without_deadline().item<int64_t>();
        expected.clear();
        if (letter != kDone) expect_from(rank);
      }
    }
  }
}

// A barrier that gives everybody the time that they need; then one that all leave at once, so that
// their clocks agree.
void Turns::meet() {
  for (int rank = 0; rank < group_.size() && leads(); ++rank)
    if (rank != leader_) group_.start_receive(to_tensor(0), rank).wait_without_deadline();
  if (leads()) {
    for (int rank = 0; rank < group_.size(); ++rank) tell(rank, kGoOn);
  } else {
    tell(leader_, kDone);
    group_.start_receive(to_tensor(0), leader_).wait_without_deadline();
  }
  group_.barrier();
}

}  // namespace trireme
