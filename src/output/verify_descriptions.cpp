#include "src/output/verify_descriptions.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/described.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kMetadata = "metadata.jsonl";
constexpr const char* kFailed = "failed.jsonl";

// Records of sealed shards, asked for in growing order of their indices.
class Records {
 public:
  Records(const OutputJob& job, const ShardStore& store) : job_(job), store_(store) {}

  // Nothing for a sample of a shard that is open, or whose manifest cannot be read.
  const SampleRecord* at(std::int64_t position) {
    const auto place = store_.shards().place_of(position);
    if (place != place_) read(place);
    const auto at = static_cast<std::size_t>(position - store_.shards()[place].first);
    const bool fits = at < samples_.size() && samples_[at].index == job_.store.index_of(position);
    return fits ? &samples_[at] : nullptr;
  }

 private:
  void read(std::int64_t place) {
    place_ = place;
    samples_.clear();
    try {
      if (store_.is_sealed(place)) samples_ = store_.manifest(place).samples;
    } catch (const Error&) {
      samples_.clear();  // told already
    }
  }

  const OutputJob& job_;
  const ShardStore& store_;
  std::int64_t place_ = -1;
  std::vector<SampleRecord> samples_;
};

class Descriptions {
 public:
  Descriptions(FileSystem& files, const fs::path& out, const OutputJob& job,
               const ShardStore& store)
      : files_(files), out_(out), job_(job), store_(store) {}

  std::vector<Damage> verify() {
    verify_file(kMetadata, job_.has_metadata_file());
    verify_file(kFailed, false);
    verify_report();
    return std::move(damages_);
  }

 private:
  void wrong(const std::string& file, const std::string& what,
             std::optional<std::int64_t> index = {}) {
    damages_.push_back({.file = file, .index = index, .what = what});
  }

  void verify_file(const std::string& name, bool is_a_must) {
    const auto state = state_of_described(files_, out_, name);
    if (state == DescribedState::kDamaged) return wrong(name, "not as it was written");
    const bool there = is_there(files_, out_ / name);
    const bool lost = !there && is_a_must && is_finished();
    if (state == DescribedState::kMissing || lost) return wrong(name, "is missing");
    if (there) verify_lines(name);
  }

  // A run came to its end with all shards sealed.
  bool is_finished() const {
    for (std::int64_t place = 0; place < store_.shards().size(); ++place)
      if (!store_.is_sealed(place)) return false;
    return is_there(files_, out_ / "report.json");
  }

  void verify_lines(const std::string& name) {
    Records records(job_, store_);
    std::ifstream file(out_ / name, std::ios::binary);
    std::int64_t last = -1;
    std::int64_t number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      const auto json = ordered_json::parse(line, nullptr, false);
      const auto position = position_in(json);
      if (!position || *position <= last)
        return wrong(
            name, fmt::format("line {} is not of a sample of this job, or not in order", number));
      last = *position;
      const auto* record = records.at(last);
      name == kMetadata ? verify_row(json, last, record) : verify_failure(json, record);
    }
  }

  std::optional<std::int64_t> position_in(const ordered_json& json) const {
    const auto index = json.is_object() ? json.find("index") : json.end();
    if (!json.is_object() || index == json.end() || !index->is_number_integer()) return {};
    return job_.store.position_of(index->get<std::int64_t>());
  }

  void verify_row(const ordered_json& json, std::int64_t position, const SampleRecord* record) {
    const auto index = job_.store.index_of(position);
    const auto has = [&](const char* key, const std::string& value) {
      return json.contains(key) && json[key] == value;
    };
    if (!has("file_name", store_.file_name(index)))
      wrong(kMetadata, "file_name is not that of its sample", index);
    // One that failed before may have been made since.
    const bool made_since = record && record->verdict == Verdict::kDone && has("status", "failed");
    if (record && !made_since && !has("status", to_string(record->verdict)))
      wrong(kMetadata, fmt::format("status is not {}", to_string(record->verdict)), index);
  }

  void verify_failure(const ordered_json& json, const SampleRecord* record) {
    if (!record || record->verdict != Verdict::kFailed) return;
    const bool same = json.contains("code") && json["code"] == record->code &&
                      json.contains("reason") && json["reason"] == record->reason;
    if (!same) wrong(kFailed, "code or reason is not what the manifest says", record->index);
  }

  void verify_report() {
    const auto path = out_ / "report.json";
    if (!is_there(files_, path)) return;
    if (!ordered_json::parse(read_file(files_, path), nullptr, false).is_object())
      wrong("report.json", "cannot be read");
  }

  FileSystem& files_;
  const fs::path& out_;
  const OutputJob& job_;
  const ShardStore& store_;
  std::vector<Damage> damages_;
};

}  // namespace

std::vector<Damage> verify_descriptions(FileSystem& files, const fs::path& out,
                                        const OutputJob& job, const ShardStore& store) {
  return Descriptions(files, out, job, store).verify();
}

}  // namespace trireme
