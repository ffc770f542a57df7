// ShardStore: sealed shards that do not hold what their manifests promise.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/journal.h"
#include "src/output/shard_store.h"
#include "src/output/writer.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDamaged = "damaged";

std::string looks(FileSystem& files, const fs::path& path) {
  const auto status = status_of(files, path);
  return fmt::format("{} {} {}\n", status.error, status.bytes, status.changed);
}

}  // namespace

fs::path ShardStore::note_path(std::int64_t place) const {
  return work_folder() / "sealed" / shard_name(number(place));
}

// Sizes and dates of all that the shard is, as one number; then how its samples ended.
std::string ShardStore::looks_of(const Manifest& manifest, std::int64_t place) const {
  auto text = looks(files_, manifest_path(place));
  if (is_tar()) text += looks(files_, tar_path(place));
  for (const auto& sample : manifest.samples)
    if (!is_tar() && sample.verdict == Verdict::kDone) text += looks(files_, path_ / sample.file);
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

void ShardStore::write_note(const Manifest& manifest, std::int64_t place) const {
  const auto verdicts = manifest.verdicts();
  make_folder(files_, note_path(place).parent_path());
  replace(files_, note_path(place),
          fmt::format("{} {} {} {}\n", looks_of(manifest, place), verdicts.done, verdicts.failed,
                      verdicts.skipped));
}

// Of a tar only two files are looked at, so that its manifest need not be read.
bool ShardStore::looks_as_noted(std::int64_t place) const {
  if (!is_there(files_, note_path(place))) return false;
  const auto note = read_file(files_, note_path(place));
  const auto now = looks_of(is_tar() ? Manifest() : manifest(place), place);
  return note.substr(0, note.find(' ')) == now;
}

Verdicts ShardStore::verdicts(std::int64_t place) const {
  Verdicts verdicts;
  if (is_there(files_, note_path(place))) {
    const auto note = read_file(files_, note_path(place));
    long done = 0, failed = 0, skipped = 0;
    if (std::sscanf(note.c_str(), "%*s %ld %ld %ld", &done, &failed, &skipped) == 3)
      return {.done = done, .failed = failed, .skipped = skipped};
  }
  return manifest(place).verdicts();
}

void ShardStore::suspect(std::int64_t place, const std::vector<std::int64_t>& indices) const {
  if (indices.empty()) return remove_file(files_, note_path(place));
  make_folder(files_, note_path(place).parent_path());
  replace(files_, note_path(place), fmt::format("{} {}\n", kDamaged, fmt::join(indices, " ")));
}

// Their files go, and the note last: a kill leaves both to the next run.
void ShardStore::remove_suspects(std::int64_t place) const {
  if (!is_there(files_, note_path(place))) return;
  std::istringstream note(read_file(files_, note_path(place)));
  std::string word;
  if (!(note >> word) || word != kDamaged) return;
  for (std::int64_t index = 0; note >> index;) {
    const auto position = options_.position_of(index);
    if (!position || shards_.place_of(*position) != place) continue;
    remove_file(files_, is_tar() ? tar_path(place) : file_for(index));
  }
  remove_file(files_, note_path(place));
}

std::vector<std::string> ShardStore::take_back_what_is_damaged() {
  std::vector<std::string> damaged;
  for (std::int64_t place = 0; place < shards_.size(); ++place) {
    remove_suspects(place);
    if (!is_sealed(place)) continue;
    for (auto& name : take_back(place)) damaged.push_back(std::move(name));
    if (is_sealed(place)) clean_up(place);
  }
  return damaged;
}

// What is damaged goes first, for good, and the manifest last, so that a kill or a power cut leaves
// a manifest that does not match.
std::vector<std::string> ShardStore::take_back(std::int64_t place) {
  const auto name = manifest_path(place).filename().string();
  try {
    if (verdicts(place).failed == 0 && looks_as_noted(place)) return {};
    const auto text = read_file(files_, manifest_path(place));
    const auto promised = manifest_from(text, manifest_path(place).string());
    if (!is_of(promised, place) || !is_as_written(promised, text))
      throw Error(Exit::kBadData,
                  fmt::format("[{}] of other samples -> this shard's -> copied over, or edited",
                              manifest_path(place).string()));
    auto damaged = is_tar() ? take_back_tar(place) : take_back_files(promised, place);
    if (damaged.empty()) {
      write_note(promised, place);
      return {};
    }
    remove_file(files_, manifest_path(place));
    return damaged;
  } catch (const Error& error) {
    if (error.exit() != Exit::kBadData) throw;
    if (is_tar()) take_away_tar(place);
    remove_file(files_, manifest_path(place));
    return {name};
  }
}

bool ShardStore::is_of(const Manifest& manifest, std::int64_t place) const {
  const auto& samples = manifest.samples;
  if (manifest.shard != number(place) || manifest.file.empty() == is_tar() ||
      static_cast<std::int64_t>(samples.size()) != shards_[place].size())
    return false;
  for (auto position = shards_[place].first; const auto& sample : samples)
    if (sample.index != options_.index_of(position++)) return false;
  return manifest.first == samples.front().index;
}

std::vector<std::string> ShardStore::take_back_tar(std::int64_t place) {
  const auto path = tar_path(place);
  const auto promised = manifest(place);
  const bool again =
      std::any_of(promised.samples.begin(), promised.samples.end(), may_be_tried_again);
  if (is_there(files_, path) && !again) {
    const auto [sha256, bytes] = sum_of_file(files_, path);
    if (bytes == promised.bytes && sha256 == promised.sha256) return {};
  }
  take_away_tar(place);
  return {path.filename().string()};
}

void ShardStore::take_away_tar(std::int64_t place) const {
  remove_file(files_, tar_path(place));
  sync_folder(files_, path_);
}

// What is as promised stays recorded.
std::vector<std::string> ShardStore::take_back_files(const Manifest& promised, std::int64_t place) {
  std::vector<std::string> damaged;
  std::vector<SampleRecord> good;
  for (const auto& sample : promised.samples) {
    const auto path = path_ / sample.file;
    if (may_be_tried_again(sample)) {
      damaged.push_back(file_name(sample.index));
    } else if (sample.verdict == Verdict::kDone &&
               (!is_there(files_, path) || sum_of_file(files_, path).sha256 != sample.sha256)) {
      remove_file(files_, path);
      damaged.push_back(sample.file);
    } else {
      good.push_back(sample);
    }
  }
  if (damaged.empty()) return damaged;
  if (is_there(files_, sample_folder(place))) sync_folder(files_, sample_folder(place));
  clean_up(place);
  // Others may find the same at the same time, and we again after a run that was killed here.
  auto journal = open_journal(place, "kept-" + this_writer());
  for (const auto& sample : good) journal.append(sample, {});
  journal.sync();
  return damaged;
}

}  // namespace trireme
