#include "src/output/ledger.h"

#include <set>
#include <utility>

#include "src/output/commit.h"
#include "src/output/sha256.h"

namespace trireme {
namespace {

constexpr std::size_t kMostJournals = 16;  // an open file each

}  // namespace

void sum_sample(Finished& sample, const ShardStore& store) {
  auto& record = sample.record;
  if (record.verdict != Verdict::kDone) return;
  const auto& last = record.members.back();  // the picture; what describes it stands before it
  const auto bytes = std::string_view(sample.bytes)
                         .substr(sample.bytes.size() - static_cast<std::size_t>(last.bytes));
  record.file = store.file_name(record.index);
  record.bytes = last.bytes;
  record.sha256 = sha256_of(bytes);
  if (!store.is_tar()) record.members.clear();
}

Ledger::Ledger(FileSystem& files, const ShardStore& store, Claims& claims, std::string writer)
    : files_(files), store_(store), claims_(claims), writer_(std::move(writer)) {}

std::int64_t Ledger::place_of(std::int64_t index) const {
  return store_.shards().place_of(store_.position_of(index));
}

std::vector<std::int64_t> Ledger::begin(const Portion& portion, std::int64_t portion_size,
                                        std::int64_t recorded) {
  const OpenPortion open{portion, portion_size, portion.size() - recorded};
  if (open.left == 0) return end_portion(open);
  const std::lock_guard lock(mutex_);
  portions_[portion.first] = open;
  return {};
}

// Files first: what is recorded is there.
void Ledger::record(std::vector<Finished*> samples) {
  if (!store_.is_tar()) commit_files(samples);
  std::set<std::int64_t> places;
  for (auto* sample : samples) {
    auto& [record, bytes] = *sample;
    const auto place = place_of(record.index);
    journal(place).append(record, bytes);
    bytes.clear();
    places.insert(place);
  }
  for (const auto place : places) journal(place).sync();
  // One that is needed again gets a new journal.
  while (journals_.size() > kMostJournals) journals_.erase(journals_.begin());
}

void Ledger::commit_files(const std::vector<Finished*>& samples) {
  std::map<std::filesystem::path, std::string_view> bytes_of;
  for (const auto* sample : samples) {
    if (sample->record.verdict != Verdict::kDone) continue;
    store_.make_folder_for(sample->record.index);
    bytes_of.emplace(store_.file_for(sample->record.index), sample->bytes);
  }
  commit(files_, bytes_of);
  for (auto* sample : samples) sample->bytes.clear();
}

JournalWriter& Ledger::journal(std::int64_t place) {
  const auto known = journals_.find(place);
  if (known != journals_.end()) return known->second;
  return journals_.emplace(place, store_.open_journal(place, writer_)).first->second;
}

std::vector<std::int64_t> Ledger::count(std::int64_t index) {
  const auto position = store_.position_of(index);
  OpenPortion ended;
  {
    const std::lock_guard lock(mutex_);
    const auto after = portions_.upper_bound(position);
    if (after == portions_.begin()) return {};
    const auto found = std::prev(after);
    if (position >= found->second.portion.end || --found->second.left > 0) return {};
    ended = found->second;
    portions_.erase(found);
  }
  return end_portion(ended);
}

std::vector<std::int64_t> Ledger::end_portion(const OpenPortion& ended) {
  // Another was quicker, and has gone: what is left of the work is ours alone.
  if (store_.is_sealed(ended.portion.shard)) return {ended.portion.shard};
  claims_.done(portion_name(store_.shards(), ended.portion));
  const auto states = claims_.look();
  for (const auto& portion : portions_of(store_.shards(), ended.portion.shard, ended.size)) {
    const auto state = states.find(portion_name(store_.shards(), portion));
    if (state == states.end() || state->second != Claims::State::kDone) return {};
  }
  return {ended.portion.shard};
}

bool Ledger::seal(std::int64_t place) {
  if (!store_.seal(place)) return false;
  claims_.forget(shard_name(store_.shards()[place].number) + ".");
  return true;
}

}  // namespace trireme
