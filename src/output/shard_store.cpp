#include "src/output/shard_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/file_error.h"
#include "src/output/journal.h"
#include "src/output/sha256.h"
#include "src/output/tar.h"

namespace trireme {

namespace fs = std::filesystem;

ShardStore::ShardStore(FileSystem& files, fs::path path, StoreOptions options)
    : files_(files),
      path_(std::move(path)),
      options_(std::move(options)),
      shards_(options_.files, options_.shard_size, options_.index_of) {}

// An entry of a journal, and which.
struct ShardStore::Journaled {
  SampleRecord record;
  fs::path journal;
  std::int64_t at = 0;
};

std::string ShardStore::file_name(std::int64_t index) const {
  const auto name = fmt::format("{:08}.{}", index, options_.extension);
  if (is_tar() || !has_sub_folders()) return name;
  return fmt::format("{:05}/{}", index / options_.shard_size, name);
}

fs::path ShardStore::manifest_path(std::int64_t place) const {
  return path_ / (shard_name(number(place)) + ".json");
}

fs::path ShardStore::tar_path(std::int64_t place) const {
  return path_ / (shard_name(number(place)) + ".tar");
}

fs::path ShardStore::sample_folder(std::int64_t place) const {
  return has_sub_folders() ? path_ / fmt::format("{:05}", number(place)) : path_;
}

fs::path ShardStore::journal_folder(std::int64_t place) const {
  return work_folder() / shard_name(number(place));
}

// Its folder may go as soon as it is there: another seals the shard and clears up.
JournalWriter ShardStore::open_journal(std::int64_t place, const std::string& writer) const {
  constexpr int kMostTries = 10;
  const auto folder = journal_folder(place);
  const auto path = [&](int number) {
    return folder / fmt::format("{}-{}.journal", writer, number);
  };
  for (int tries = 1;; ++tries) {
    try {
      make_folder(files_, folder);
      int number = 0;
      while (is_there(files_, path(number))) ++number;
      return {files_, path(number)};
    } catch (const Error& error) {
      if (error.exit() != Exit::kCannotCreate || tries == kMostTries || is_there(files_, folder))
        throw;
    }
  }
}

void ShardStore::make_folder_for(std::int64_t index) const {
  if (is_tar()) return;
  const auto folder = file_for(index).parent_path();
  // Asked for each sample; its name is safe when the manifest is, which stands beside it.
  if (!is_there(files_, folder)) make_folder(files_, folder);
}

bool ShardStore::is_sealed(std::int64_t place) const {
  return is_there(files_, manifest_path(place));
}

Manifest ShardStore::manifest(std::int64_t place) const {
  const auto path = manifest_path(place);
  return manifest_from(read_file(files_, path), path.string());
}

std::map<std::int64_t, ShardStore::Journaled> ShardStore::journaled(std::int64_t place) const {
  std::map<std::int64_t, Journaled> samples;
  const auto folder = journal_folder(place);
  const auto& shard = shards_[place];
  for (const auto& name : names_in(files_, folder)) {
    if (!name.ends_with(".journal")) continue;
    for (auto& entry : read_journal(files_, folder / name)) {
      const auto position = options_.position_of(entry.record.index);
      if (!position || *position < shard.first || *position >= shard.end) continue;
      Journaled sample{std::move(entry.record), folder / name, entry.at};
      const auto known = samples.find(*position);
      // What failed may have been tried again.
      if (known == samples.end() || known->second.record.verdict != Verdict::kDone)
        samples.insert_or_assign(*position, std::move(sample));
    }
  }
  return samples;
}

// A file that is there is complete, though a kill may have come before its record. One that is
// recorded and not there was taken away.
void ShardStore::adopt_files(std::int64_t place, Records& records) const {
  const auto& shard = shards_[place];
  const auto listed = names_in(files_, sample_folder(place));
  std::vector<std::string> names(listed.begin(), listed.end());
  std::sort(names.begin(), names.end());
  for (auto position = shard.first; position < shard.end; ++position) {
    const auto index = options_.index_of(position);
    const auto name = fs::path(file_name(index)).filename().string();
    const bool there = std::binary_search(names.begin(), names.end(), name);
    if (const auto known = records.find(position); known != records.end()) {
      if (known->second.verdict == Verdict::kDone && !there) records.erase(known);
      continue;
    }
    if (!there) continue;
    const auto [sha256, bytes] = sum_of_file(files_, file_for(index));
    records[position] = {
        .index = index, .file = file_name(index), .bytes = bytes, .sha256 = sha256};
  }
}

ShardStore::Records ShardStore::recorded(std::int64_t place) const {
  Records records;
  for (auto& [position, sample] : journaled(place)) records[position] = std::move(sample.record);
  if (!is_tar()) adopt_files(place, records);
  return records;
}

ShardStore::Records ShardStore::glance(std::int64_t place) const {
  Records records;
  const auto& shard = shards_[place];
  for (const auto& name : names_in(files_, journal_folder(place))) {
    if (!name.ends_with(".journal")) continue;
    for (auto& record : glance_at_journal(files_, journal_folder(place) / name)) {
      const auto position = options_.position_of(record.index);
      if (!position || *position < shard.first || *position >= shard.end) continue;
      auto& known = records.try_emplace(*position, record).first->second;
      if (known.verdict != Verdict::kDone) known = std::move(record);
    }
  }
  if (is_tar()) return records;
  const auto listed = names_in(files_, sample_folder(place));
  const std::set<std::string> names(listed.begin(), listed.end());
  for (auto position = shard.first; position < shard.end; ++position) {
    const auto index = options_.index_of(position);
    if (names.contains(fs::path(file_name(index)).filename())) records[position] = {.index = index};
  }
  return records;
}

// Nothing where samples are missing, or go while we read: another may have sealed the shard.
std::optional<Manifest> ShardStore::make_tar(std::int64_t place) const {
  const auto samples = journaled(place);
  if (samples.size() < static_cast<std::size_t>(shards_[place].size())) return std::nullopt;
  Manifest manifest{.file = tar_path(place).filename().string()};
  PendingFile file(files_, tar_path(place));
  Sha256 hash;
  TarWriter tar([&](std::string_view bytes) {
    hash.add(bytes);
    file.write(bytes);
  });
  for (const auto& [position, sample] : samples) {
    std::int64_t at = sample.at;
    for (const auto& [suffix, size] : sample.record.members) {
      const auto bytes = read_members(files_, sample.journal, at, size);
      if (static_cast<std::int64_t>(bytes.size()) < size) return std::nullopt;
      tar.member(fmt::format("{:08}.{}", sample.record.index, suffix), bytes);
      at += size;
    }
    auto record = sample.record;
    record.members.clear();
    manifest.samples.push_back(std::move(record));
  }
  tar.finish();
  file.commit();
  manifest.bytes = tar.size();
  manifest.sha256 = hash.hex();
  return manifest;
}

std::optional<Manifest> ShardStore::gather_files(std::int64_t place) const {
  auto records = recorded(place);
  if (records.size() < static_cast<std::size_t>(shards_[place].size())) return std::nullopt;
  Manifest manifest;
  for (auto& [position, record] : records) manifest.samples.push_back(std::move(record));
  sum_files(manifest);
  // Some were found rather than made: by one who was killed before this.
  sync_folder(files_, sample_folder(place));
  return manifest;
}

bool ShardStore::seal(std::int64_t place) const {
  if (!is_sealed(place)) {
    auto manifest = is_tar() ? make_tar(place) : gather_files(place);
    if (!manifest && !is_sealed(place)) return false;
    if (manifest) {
      manifest->shard = number(place);
      manifest->first = manifest->samples.front().index;
      commit(files_, manifest_path(place), to_text(*manifest));
      write_note(*manifest, place);
    }
  }
  clean_up(place);
  return true;
}

// Of a shard that is sealed: what is left of the work, by whomever.
void ShardStore::clean_up(std::int64_t place) const {
  const auto folder = journal_folder(place);
  for (const auto& name : names_in(files_, folder)) try_to_remove(files_, folder / name);
  retried([&] { return files_.remove_folder(folder); });
}

FileSum sum_of_file(FileSystem& files, const fs::path& path) {
  constexpr std::size_t kBlock = 1 << 20;
  const auto descriptor = retried([&] { return files.open_to_read(path); });
  if (descriptor < 0) raise_file_error(path, "opening", descriptor);
  FileSum sum;
  Sha256 hash;
  std::string block(kBlock, '\0');
  std::int64_t count = 0;
  while ((count = retried([&] { return files.read(descriptor, block, sum.bytes); })) > 0) {
    hash.add(std::string_view(block).substr(0, static_cast<std::size_t>(count)));
    sum.bytes += count;
  }
  files.close(descriptor);
  if (count < 0) raise_file_error(path, "reading", count);
  sum.sha256 = hash.hex();
  return sum;
}

}  // namespace trireme
