#include "src/output/verify.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/output_job.h"
#include "src/output/verify_descriptions.h"
#include "src/output/verify_shard.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t kFolderDigits = 5;

bool is_number(const std::string& text, std::size_t least) {
  return text.size() >= least && std::all_of(text.begin(), text.end(),
                                             [](unsigned char c) { return std::isdigit(c) != 0; });
}

// What a reader of datasets would take for samples.
bool looks_like_samples(const fs::path& name, bool is_folder) {
  static const std::set<std::string> kExtensions = {".png",  ".jpg", ".jpeg",
                                                    ".webp", ".tar", ".safetensors"};
  if (is_hidden_name(name.string())) return false;
  if (is_folder) return is_number(name.string(), kFolderDigits);
  return kExtensions.contains(name.extension()) ||
         (name.extension() == ".json" && is_number(name.stem(), 1));
}

class Verification {
 public:
  Verification(FileSystem& files, const fs::path& out, const OutputJob& job,
               const VerifyOptions& options)
      : files_(files),
        out_(out),
        job_(job),
        options_(options),
        store_(files, out, job.store),
        crew_(options.threads),
        shards_(files, out, job_, store_, options, crew_),
        looks_(static_cast<std::size_t>(store_.shards().size())) {}

  Verified run() {
    verify_shards();
    verify_again();
    for (const auto& look : looks_) add(look);
    verify_top();
    if (store_.shards().size() > 0) add(verify_descriptions(files_, out_, job_, store_));
    verified_.total = job_.store.files;
    verified_.bytes = shards_.bytes();
    verified_.decoded = shards_.decoded();
    sort();
    return std::move(verified_);
  }

 private:
  void verify_shards() {
    for (std::size_t place = 0; place < looks_.size(); ++place)
      shards_.verify(static_cast<std::int64_t>(place), looks_[place]);
    crew_.wait();
  }

  // A run may have taken back what it found damaged, or what may be tried again, while we looked:
  // only what is found twice is told. The next run is told to look for itself.
  void verify_again() {
    for (std::size_t at = 0; at < looks_.size(); ++at) {
      auto& look = looks_[at];
      if (look.damages.empty() && look.more_damages == 0) continue;
      const auto place = static_cast<std::int64_t>(at);
      shards_.forget(look);
      shards_.verify(place, look);
      crew_.wait();
      if (look.damages.empty() && look.more_damages == 0) continue;
      try {
        if (look.sealed || !look.suspects.empty()) store_.suspect(place, look.suspects);
      } catch (const Error&) {
        continue;  // OUT may be read-only for us
      }
    }
  }

  void add(const ShardLook& look) {
    verified_.verdicts.add(look.verdicts);
    ++(look.sealed ? verified_.shards : verified_.open_shards);
    verified_.more_damages += look.more_damages;
    add(look.damages);
  }

  void add(const std::vector<Damage>& damages) {
    verified_.damages.insert(verified_.damages.end(), damages.begin(), damages.end());
  }

  void verify_top() {
    std::set<std::string> known;
    for (std::int64_t place = 0; place < store_.shards().size(); ++place) {
      known.insert(store_.manifest_path(place).filename());
      if (store_.is_tar()) known.insert(store_.tar_path(place).filename());
      const auto first = job_.store.index_of(store_.shards()[place].first);
      const auto folder = fs::path(store_.file_name(first)).parent_path();
      if (!folder.empty()) known.insert(folder);
    }
    for (const auto& name : names_in(files_, out_)) {
      if (known.contains(name) || is_sample_at_top(name)) continue;
      if (looks_like_samples(name, files_.status(out_ / name).is_folder))
        verified_.damages.push_back({.file = name, .what = "no manifest promises it"});
    }
  }

  // One that verify_shards() looked at.
  bool is_sample_at_top(const std::string& name) const {
    const auto position = store_.is_tar() ? std::nullopt : shards_.position_of(name);
    return position && store_.file_name(job_.store.index_of(*position)) == name;
  }

  void sort() {
    std::sort(verified_.damages.begin(), verified_.damages.end(), [](const auto& a, const auto& b) {
      return std::tie(a.file, a.index, a.what) < std::tie(b.file, b.index, b.what);
    });
  }

  FileSystem& files_;
  const fs::path& out_;
  const OutputJob& job_;
  const VerifyOptions& options_;
  ShardStore store_;
  Crew crew_;
  ShardVerifier shards_;
  std::vector<ShardLook> looks_;
  Verified verified_;
};

}  // namespace

ordered_json to_json(const Verified& verified) {
  auto problems = ordered_json::array();
  for (const auto& [file, index, what] : verified.damages)
    problems.push_back({{"file", file},
                        {"index", index ? ordered_json(*index) : ordered_json(nullptr)},
                        {"what", what}});
  ordered_json json = {{"ok", verified.ok()},
                       {"shards", verified.shards},
                       {"samples", verified.verdicts.all()},
                       {"done", verified.verdicts.done},
                       {"failed", verified.verdicts.failed},
                       {"skipped", verified.verdicts.skipped},
                       {"open", verified.open()},
                       {"open_shards", verified.open_shards},
                       {"total", verified.total},
                       {"decoded", verified.decoded},
                       {"bytes", verified.bytes}};
  if (verified.more_damages > 0) json["more_problems"] = verified.more_damages;
  json["problems"] = problems;
  return json;
}

Verified verify_output(FileSystem& files, const fs::path& out, const VerifyOptions& options) {
  try {
    const auto job = read_output_job(files, out);
    return Verification(files, out, job, options).run();
  } catch (const Error& error) {
    if (error.exit() != Exit::kBadData) throw;
    return {.damages = {{.file = "job.json", .what = what_is_said(error)}}};
  }
}

}  // namespace trireme
