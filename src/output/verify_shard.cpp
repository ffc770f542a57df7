#include "src/output/verify_shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/journal.h"
#include "src/output/sha256.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDecodedOfEach = 100;  // of so many samples one is decoded
constexpr std::size_t kHexDigits = 64;

// Done wins, as what failed may have been tried again.
void add_journal(std::map<std::int64_t, SampleRecord>& records,
                 const std::vector<JournalEntry>& entries) {
  for (const auto& entry : entries) {
    const auto known = records.find(entry.record.index);
    if (known == records.end() || known->second.verdict != Verdict::kDone)
      records.insert_or_assign(entry.record.index, entry.record);
  }
}

}  // namespace

std::string what_is_said(const std::exception& error) {
  std::string text = error.what();
  if (const auto place = text.find("] "); text.starts_with('[') && place != std::string::npos)
    text.erase(0, place + 2);
  return text.substr(0, text.find(" -> "));
}

ShardVerifier::ShardVerifier(FileSystem& files, const fs::path& out, const OutputJob& job,
                             const ShardStore& store, const VerifyOptions& options, Crew& crew)
    : files_(files), out_(out), job_(job), store_(store), options_(options), crew_(crew) {}

void ShardVerifier::add(ShardLook& look, Damage damage) {
  const std::lock_guard lock(mutex_);
  if (++kept_ > options_.most_damages) {
    ++look.more_damages;
  } else {
    look.damages.push_back(std::move(damage));
  }
}

void ShardVerifier::forget(ShardLook& look) {
  const std::lock_guard lock(mutex_);
  kept_ -= look.damages.size() + static_cast<std::size_t>(look.more_damages);
  look = {};
}

void ShardVerifier::count(std::int64_t samples, std::int64_t bytes) {
  samples_ += samples;
  bytes_ += bytes;
  if (!options_.progress) return;
  const std::lock_guard lock(mutex_);
  options_.progress({samples_, job_.store.files, bytes_});
}

std::string ShardVerifier::manifest_name(std::int64_t place) const {
  return store_.manifest_path(place).filename().string();
}

std::optional<std::int64_t> ShardVerifier::position_of(const std::string& name) const {
  std::int64_t index = 0;
  const auto* const begin = name.data();
  const auto [end, error] = std::from_chars(begin, begin + name.size(), index);
  if (error != std::errc() || end == begin || index < 0) return std::nullopt;
  const auto position = job_.store.position_of(index);
  if (!position || fs::path(store_.file_name(index)).filename() != name) return std::nullopt;
  return position;
}

// Of the folder that the shard's files are in.
std::vector<std::string> ShardVerifier::names_of(std::int64_t place) const {
  if (store_.is_tar()) return {};
  const auto index = job_.store.index_of(store_.shards()[place].first);
  return names_in(files_, store_.file_for(index).parent_path());
}

// Names before the manifest: what is there when a shard is sealed is promised.
void ShardVerifier::verify(std::int64_t place, ShardLook& look) {
  const auto names = names_of(place);
  try {
    if (!store_.is_sealed(place)) verify_open(place, names, look);
    if (!store_.is_sealed(place)) return;
    crew_.wait();
    forget(look);  // it may have been sealed meanwhile
    verify_sealed(place, names, look);
  } catch (const Error& error) {
    add(look, {.file = manifest_name(place), .what = what_is_said(error)});
  }
}

void ShardVerifier::verify_sealed(std::int64_t place, const std::vector<std::string>& names,
                                  ShardLook& look) {
  look.sealed = true;
  const auto text = read_file(files_, store_.manifest_path(place));
  const auto manifest = manifest_from(text, store_.manifest_path(place).string());
  if (!fits(manifest, text, place, look)) return;
  look.verdicts = manifest.verdicts();
  count(manifest.verdicts().failed + manifest.verdicts().skipped, 0);
  verify_names(names, manifest.samples, place, look);
  if (store_.is_tar()) {
    crew_.add([this, manifest, place, &look] { verify_tar(manifest, place, look); });
  } else {
    verify_files(manifest.samples, place, look);
  }
}

bool ShardVerifier::is_well_told(const SampleRecord& record) const {
  if (record.verdict != Verdict::kDone) return record.file.empty() && !record.code.empty();
  return record.file == store_.file_name(record.index) && record.sha256.size() == kHexDigits;
}

// Whether the samples are those of this shard; else there is nothing more to hold against them.
bool ShardVerifier::fits(const Manifest& manifest, const std::string& text, std::int64_t place,
                         ShardLook& look) {
  const auto& shard = store_.shards()[place];
  const auto name = manifest_name(place);
  const auto wrong = [&](const std::string& what) { add(look, {.file = name, .what = what}); };
  if (manifest.shard != shard.number)
    return wrong(fmt::format("is of shard {}", manifest.shard)), false;
  if (manifest.samples.size() != static_cast<std::size_t>(shard.size()))
    return wrong(fmt::format("{} samples, the job has {}", manifest.samples.size(), shard.size())),
           false;
  for (std::int64_t i = 0; i < shard.size(); ++i) {
    const auto& record = manifest.samples[static_cast<std::size_t>(i)];
    const auto index = job_.store.index_of(shard.first + i);
    if (record.index != index)
      return wrong(fmt::format("sample {} where {} must stand", record.index, index)), false;
    if (!is_well_told(record))
      add(look, {.file = name, .index = index, .what = "its line is not as it was written"});
  }
  const auto tar = store_.is_tar() ? store_.tar_path(place).filename().string() : "";
  if (manifest.file != tar || manifest.first != manifest.samples.front().index ||
      !is_as_written(manifest, text))
    wrong("its sums are not right, or it is not as it was written");
  return true;
}

void ShardVerifier::verify_names(const std::vector<std::string>& names,
                                 const std::vector<SampleRecord>& promised, std::int64_t place,
                                 ShardLook& look) {
  std::set<std::string> files;
  for (const auto& record : promised)
    if (record.verdict == Verdict::kDone) files.insert(fs::path(record.file).filename().string());
  const auto& shard = store_.shards()[place];
  const auto folder = fs::path(store_.file_name(job_.store.index_of(shard.first))).parent_path();
  for (const auto& name : names) {
    if (is_hidden_name(name) || files.contains(name)) continue;
    const auto position = position_of(name);
    const bool ours = position && *position >= shard.first && *position < shard.end;
    const bool open = !look.sealed && ours;
    // In a folder that shards share, names of no sample are told once, by verify_output.
    if (open || (folder.empty() && !ours)) continue;
    add(look, {.file = (folder / name).string(), .what = "no manifest promises it"});
  }
}

void ShardVerifier::verify_files(const std::vector<SampleRecord>& samples, std::int64_t place,
                                 ShardLook& look) {
  for (const auto& record : samples) {
    if (record.verdict != Verdict::kDone) continue;
    crew_.add([this, record, &look, decodes = decodes(record.index, place)] {
      verify_file(record, decodes, look);
    });
  }
}

bool ShardVerifier::decodes(std::int64_t index, std::int64_t place) const {
  const auto position = store_.position_of(index);
  return options_.deep || position == store_.shards()[place].first ||
         position % kDecodedOfEach == 0;
}

void ShardVerifier::verify_file(const SampleRecord& record, bool decodes, ShardLook& look) {
  const auto wrong = [&](std::string what) {
    add(look, {.file = record.file, .index = record.index, .what = std::move(what)});
    if (look.sealed) return;
    const std::lock_guard lock(mutex_);
    look.suspects.push_back(record.index);
  };
  try {
    const auto path = out_ / record.file;
    const auto size = files_.status(path);
    if (!is_there(files_, path)) return wrong("is missing");
    if (size.bytes != record.bytes)
      return wrong(fmt::format("{} bytes, {} were promised", size.bytes, record.bytes));
    const auto bytes = read_file(files_, path);
    count(1, record.bytes);
    if (sha256_of(bytes) != record.sha256) return wrong("its SHA-256 is not the promised one");
    if (decodes) decode(record, bytes, look);
  } catch (const std::exception& error) {
    wrong(what_is_said(error));
  }
}

// Bytes that are as promised and cannot be read were so when they were written, or the manifest was
// made to fit.
void ShardVerifier::decode(const SampleRecord& record, std::string_view bytes, ShardLook& look) {
  try {
    ++decoded_;
    options_.decode(bytes, record.file);
  } catch (const Error& error) {
    const auto file =
        store_.is_tar()
            ? store_.tar_path(store_.shards().place_of(store_.position_of(record.index)))
                  .filename()
                  .string()
            : record.file;
    add(look,
        {.file = file, .index = record.index, .what = "cannot be decoded: " + what_is_said(error)});
    const std::lock_guard lock(mutex_);
    look.suspects.push_back(record.index);
  }
}

// What journals say of a shard under way, and files that a kill left without a record.
void ShardVerifier::verify_open(std::int64_t place, const std::vector<std::string>& names,
                                ShardLook& look) {
  const auto& shard = store_.shards()[place];
  const auto folder = store_.work_folder() / shard_name(shard.number);
  std::map<std::int64_t, SampleRecord> records;
  for (const auto& name : names_in(files_, folder))
    if (name.ends_with(".journal")) add_journal(records, read_journal(files_, folder / name));
  std::vector<SampleRecord> recorded;
  for (const auto& [index, record] : records) {
    const auto position = job_.store.position_of(index);
    if (!position || *position < shard.first || *position >= shard.end) continue;
    recorded.push_back(record);
    look.verdicts.add(record.verdict);
  }
  for (const auto& name : names) {
    const auto position = position_of(name);
    if (position && *position >= shard.first && *position < shard.end &&
        !records.contains(job_.store.index_of(*position)))
      look.verdicts.add(Verdict::kDone);
  }
  verify_names(names, recorded, place, look);
  if (!store_.is_tar()) verify_files(recorded, place, look);
}

}  // namespace trireme
