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
  if (!leads()) return;
  letters_.resize(group_.size());
  done_by_.resize(group_.size());
  for (int rank = 0; rank < group_.size(); ++rank) expect_from(rank);
}

void Turns::tell(int rank, Letter letter) const {
  if (rank != group_.rank()) group_.start_send(to_tensor(letter), rank);
}

void Turns::expect_from(int rank) {
  if (rank == leader_) return;
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
  read_what_came();
  wanted_ |= wants_to_stop;
  const auto letter = wanted_ && stops_before_(turn) ? kStop : kGoOn;
  for (int rank = 0; rank < group_.size(); ++rank) tell(rank, letter);
  return letter == kGoOn;
}

void Turns::read_what_came() {
  for (int rank = 0; rank < group_.size(); ++rank)
    while (!letters_[rank].empty() && letters_[rank][0].ready())
      read(rank, letters_[rank][0].wait().item<int64_t>());
}

// And expects the one after it.
void Turns::read(int rank, int64_t letter) {
  letters_[rank].clear();
  wanted_ |= letter == kStop;
  if (letter == kBatchDone) ++done_by_[rank];
  if (letter != kEnd) expect_from(rank);
}

bool Turns::hear(bool wants_to_stop) {
  if (wants_to_stop && !std::exchange(told_, true)) tell(leader_, kStop);
  return group_.receive(to_tensor(0), leader_).item<int64_t>() == kGoOn;
}

void Turns::wait_until_done(int64_t batches) {
  for (int rank = 0; rank < static_cast<int>(letters_.size()); ++rank)
    while (done_by_[rank] < batches && !letters_[rank].empty())
      read(rank, letters_[rank][0].wait_without_deadline().item<int64_t>());
}

void Turns::finish() {
  if (!leads()) tell(leader_, kEnd);
  for (int rank = 0; rank < static_cast<int>(letters_.size()); ++rank)
    while (!letters_[rank].empty())
      read(rank, letters_[rank][0].wait_without_deadline().item<int64_t>());
}

// A barrier that gives everybody the time that they need; then one that all leave at once, so that
// their clocks agree.
void Turns::meet() {
  for (int rank = 0; rank < group_.size() && leads(); ++rank)
    if (rank != leader_) group_.start_receive(to_tensor(0), rank).wait_without_deadline();
  if (leads()) {
    for (int rank = 0; rank < group_.size(); ++rank) tell(rank, kGoOn);
  } else {
    tell(leader_, kEnd);
    group_.start_receive(to_tensor(0), leader_).wait_without_deadline();
  }
  group_.barrier();
}

}  // namespace trireme
