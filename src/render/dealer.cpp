#include "src/render/dealer.h"

#include <chrono>
#include <utility>

namespace trireme {
namespace {

constexpr std::size_t kAhead = 1;  // portions that are told of before they are asked for
constexpr auto kBetweenBeats = std::chrono::seconds(2);
constexpr int64_t kNone = -1;

}  // namespace

Dealer::Dealer(const ShardStore& store, Claims& claims, Group ranks, DealerOptions options)
    : store_(store),
      claims_(claims),
      ranks_(std::move(ranks)),
      options_(options),
      skip_(options.first_choice) {
  if (leads()) heart_ = std::thread([this] { beat(); });
}

Dealer::~Dealer() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  end_.notify_all();
  if (heart_.joinable()) heart_.join();
}

void Dealer::beat() {
  std::unique_lock lock(mutex_);
  while (!end_.wait_for(lock, kBetweenBeats, [&] { return ended_; })) claims_.beat();
}

std::optional<Deal> Dealer::next() {
  if (!leads()) {
    if (is_over_) return std::nullopt;
    auto deal = hear();
    is_over_ = deal.portion.first == kNone;
    if (is_over_) return std::nullopt;
    return deal;
  }
  if (dealt_.empty() && !is_over_) deal(claims_.look());
  if (dealt_.empty()) return std::nullopt;
  auto next = std::move(dealt_.front());
  dealt_.pop_front();
  return next;
}

void Dealer::look_ahead() {
  if (!leads() || is_over_ || dealt_.size() >= kAhead) return;
  auto states = claims_.look();
  if (enough_are_free(states)) deal(std::move(states));
}

// One for each replica of this run.
bool Dealer::enough_are_free(const States& states) const {
  int free = 0;
  for (auto place = first_place_; place < store_.shards().size(); ++place) {
    if (store_.is_sealed(place)) continue;
    for (const auto& portion : portions_of(store_.shards(), place, options_.portion_size)) {
      const auto state = states.find(portion_name(store_.shards(), portion));
      const bool is_free = state == states.end() || state->second == Claims::State::kFree;
      if (is_free && ++free >= options_.replicas) return true;
    }
  }
  return false;
}

void Dealer::again() {
  is_over_ = false;
  known_.clear();
}

void Dealer::deal(States states) {
  auto claimed = claim(std::move(states));
  tell(claimed);
  is_over_ = !claimed;
  if (claimed) dealt_.push_back(std::move(*claimed));
}

// In order; the first time other replicas are left theirs.
std::optional<Deal> Dealer::claim(States states) {
  const int skipped = std::exchange(skip_, 0);
  for (int round = skipped > 0 ? 0 : 1; round < 2; ++round) {
    skip_ = round == 0 ? skipped : 0;
    for (auto place = first_place_; place < store_.shards().size(); ++place) {
      if (store_.is_sealed(place)) {
        known_.erase(place);
        if (place == first_place_) ++first_place_;
        continue;
      }
      if (auto claimed = claim_in(place, states)) {
        skip_ = 0;
        return claimed;
      }
    }
  }
  skip_ = 0;
  return std::nullopt;
}

std::optional<Deal> Dealer::claim_in(int64_t place, States& states) {
  for (const auto& portion : portions_of(store_.shards(), place, options_.portion_size)) {
    const auto name = portion_name(store_.shards(), portion);
    const auto state = states.find(name);
    if (state != states.end() && state->second != Claims::State::kFree) continue;
    if (skip_ > 0) {
      --skip_;
      continue;
    }
    const auto generation = claims_.take(name);
    if (generation) return Deal{portion, recorded_of(portion, *generation)};
    states[name] = Claims::State::kHeld;
  }
  return std::nullopt;
}

// Of a shard that nobody has worked on since we looked, what was known then is all.
std::vector<bool> Dealer::recorded_of(const Portion& portion, int64_t generation) {
  if (generation > 0 || !known_.contains(portion.shard))
    known_[portion.shard] = store_.recorded(portion.shard);
  const auto& records = known_[portion.shard];
  std::vector<bool> recorded;
  for (auto position = portion.first; position < portion.end; ++position) {
    const auto found = records.find(position);
    recorded.push_back(found != records.end() && !may_be_tried_again(found->second));
  }
  return recorded;
}

// A letter: the shard, first and end of the portion, then a number a position.
void Dealer::tell(const std::optional<Deal>& deal) const {
  if (ranks_.size() == 1) return;
  auto letter = at::zeros({3 + options_.portion_size}, at::kLong);
  auto* numbers = letter.mutable_data_ptr<int64_t>();
  numbers[1] = kNone;
  if (deal) {
    numbers[0] = deal->portion.shard;
    numbers[1] = deal->portion.first;
    numbers[2] = deal->portion.end;
    for (size_t i = 0; i < deal->recorded.size(); ++i) numbers[3 + i] = deal->recorded[i] ? 1 : 0;
  }
  for (int rank = 0; rank < ranks_.size(); ++rank)
    if (rank != ranks_.rank()) ranks_.start_send(letter, rank);
}

// The leader may take its time: its folder may be slow.
Deal Dealer::hear() {
  const auto blank = at::zeros({3 + options_.portion_size}, at::kLong);
  const auto letter = ranks_.start_receive(blank, options_.leader).wait_without_deadline();
  const auto* numbers = letter.const_data_ptr<int64_t>();
  Deal deal{{numbers[0], numbers[1], numbers[2]}, {}};
  for (int64_t i = 0; deal.portion.first != kNone && i < deal.portion.size(); ++i)
    deal.recorded.push_back(numbers[3 + i] != 0);
  return deal;
}

}  // namespace trireme
