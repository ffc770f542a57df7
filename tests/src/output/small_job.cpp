#include "tests/src/output/small_job.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/writer.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

// One process at work.
class Process {
 public:
  Process(const SmallJob& job, FileSystem& files, const std::string& writer)
      : job_(job),
        files_(files),
        store_(files, kOut, job.store_options()),
        claims_(files, store_.work_folder() / "claims",
                {.writer = writer, .now = [this] { return seconds_; }}),
        ledger_(files, store_, claims_, writer) {}

  void run() {
    store_.take_back_what_is_damaged();
    constexpr double kLongest = 200;  // a claim is waited for for 15
    for (; !pass(); ++seconds_)
      if (seconds_ > kLongest) throw Error(Exit::kBug, "[/out] is never sealed -> -> ");
    replace(files_, kOut + "/report.json", "{\"samples\": 5}\n");
  }

 private:
  // Whether all is sealed.
  bool pass() {
    bool all = true;
    for (std::int64_t place = 0; place < store_.shards().size(); ++place) {
      if (!store_.is_sealed(place))
        for (const auto& portion : portions_of(store_.shards(), place, job_.portion)) work(portion);
      if (store_.is_sealed(place)) ledger_.seal(place);  // what is left of its work
      all = all && store_.is_sealed(place);
    }
    return all;
  }

  // What is done is recorded, so the claims are looked at first.
  void work(const Portion& portion) {
    const auto unit = portion_name(store_.shards(), portion);
    const auto states = claims_.look();
    const auto state = states.contains(unit) ? states.at(unit) : Claims::State::kFree;
    const auto missing = missing_of(portion);
    if (missing.empty()) return seal(ledger_.begin(portion, job_.portion, portion.size()));
    if (store_.is_sealed(portion.shard)) return;
    if (state == Claims::State::kHeld) return;
    if (state == Claims::State::kDone) claims_.reopen(unit);
    if (!claims_.take(unit)) return;
    claims_.beat();
    record(portion, missing);
  }

  std::vector<std::int64_t> missing_of(const Portion& portion) const {
    const auto recorded = store_.recorded(portion.shard);
    std::vector<std::int64_t> missing;
    for (auto position = portion.first; position < portion.end; ++position)
      if (!recorded.contains(position)) missing.push_back(position);
    return missing;
  }

  void record(const Portion& portion, const std::vector<std::int64_t>& missing) {
    const auto size = static_cast<std::int64_t>(missing.size());
    seal(ledger_.begin(portion, job_.portion, portion.size() - size));
    std::vector<Finished> samples;
    for (const auto position : missing)
      samples.push_back(job_.sample(job_.indices[static_cast<std::size_t>(position)]));
    std::vector<Finished*> together;
    for (auto& sample : samples) {
      sum_sample(sample, store_);
      together.push_back(&sample);
    }
    ledger_.record(together);
    for (const auto& sample : samples) seal(ledger_.count(sample.record.index));
  }

  void seal(const std::vector<std::int64_t>& places) {
    for (const auto place : places) ledger_.seal(place);
  }

  const SmallJob& job_;
  FileSystem& files_;
  double seconds_ = 1;
  ShardStore store_;
  Claims claims_;
  Ledger ledger_;
};

void remove_what_killed_runs_left(FileSystem& files) {
  remove_stale_files(files, kOut);
  for (const auto* name : {"00000", "00001", ".trireme", ".trireme/claims", ".trireme/sealed"})
    remove_stale_files(files, fs::path(kOut) / name);
}

}  // namespace

StoreOptions SmallJob::store_options() const {
  const auto all = indices;
  return {
      .container = is_tar ? StoreOptions::Container::kTar : StoreOptions::Container::kFiles,
      .extension = "png",
      .shard_size = 4,
      .files = static_cast<std::int64_t>(all.size()),
      .index_of = [all](std::int64_t position) { return all[static_cast<std::size_t>(position)]; },
      .position_of = [all](std::int64_t index) -> std::optional<std::int64_t> {
        const auto found = std::lower_bound(all.begin(), all.end(), index);
        if (found == all.end() || *found != index) return std::nullopt;
        return found - all.begin();
      }};
}

Finished SmallJob::sample(std::int64_t index) const {
  Finished made{.record = {.index = index}, .bytes = {}};
  if (index == failed || index == skipped) {
    made.record.verdict = index == failed ? Verdict::kFailed : Verdict::kSkipped;
    made.record.code = index == failed ? "nan" : "too_small";
    made.record.reason = fmt::format("sample {}", index);
    return made;
  }
  const auto picture = fmt::format("picture {}", index);
  const auto text = fmt::format("{{\"index\":{}}}", index);
  if (is_tar) made.record.members.push_back({"json", static_cast<std::int64_t>(text.size())});
  made.record.members.push_back({"png", static_cast<std::int64_t>(picture.size())});
  made.bytes = (is_tar ? text : "") + picture;
  return made;
}

std::string dead_writer(int number) {
  static const std::string host = this_writer().substr(0, this_writer().find('-'));
  return fmt::format("{}-4194999-{}", host, number);
}

void run(const SmallJob& job, FileSystem& files, const std::string& writer) {
  make_folder(files, kOut);
  remove_what_killed_runs_left(files);
  replace(files, kOut + "/job.json", "{\"fingerprint\": \"small\"}\n");
  Process(job, files, writer).run();
}

bool is_visible(const std::string& path) {
  return path.find("/.") == std::string::npos;
}

std::map<std::string, std::string> visible(const std::map<std::string, std::string>& contents) {
  auto shown = contents;
  std::erase_if(shown, [](const auto& file) { return !is_visible(file.first); });
  return shown;
}

}  // namespace trireme
