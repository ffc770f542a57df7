#include "src/report/status.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/journal.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr double kSecondsPerHour = 3600;

// Of the run that finished the job.
std::optional<double> reported_rate(const fs::path& out) {
  std::ifstream file(out / "report.json", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto report = ordered_json::parse(text, nullptr, false);
  if (!report.is_object() || !report.contains("images_per_hour")) return std::nullopt;
  const auto& rate = report["images_per_hour"];
  const bool made_any = rate.is_number() && rate.get<double>() > 0;
  return made_any ? std::optional(rate.get<double>()) : std::nullopt;
}

// Of ranks that have not ended, while somebody is at work.
std::optional<double> rate_of(const Status& status) {
  std::optional<double> rate;
  if (!status.at_work()) return rate;
  for (const auto& rank : status.ranks)
    if (const auto own = rank.images_per_hour(); own && !rank.exit_code)
      rate = rate.value_or(0) + *own;
  return rate;
}

void add_failure(std::map<std::string, std::int64_t>& failures, const SampleRecord& record) {
  if (record.verdict == Verdict::kFailed) ++failures[record.code];
}

}  // namespace

bool Status::at_work() const {
  return std::any_of(claims.begin(), claims.end(),
                     [](const auto& claim) { return claim.life != Life::kDead; });
}

std::optional<double> Status::seconds_left() const {
  if (complete()) return 0;
  if (!images_per_hour || *images_per_hour <= 0) return std::nullopt;
  return kSecondsPerHour * static_cast<double>(total - verdicts.all()) / *images_per_hour;
}

std::optional<int> Status::slowest_rank() const {
  const RankStatus* slowest = nullptr;
  int writers = 0;
  for (const auto& rank : ranks) {
    if (!rank.images_per_hour()) continue;
    ++writers;
    if (!slowest || *rank.images_per_hour() < *slowest->images_per_hour()) slowest = &rank;
  }
  return writers > 1 ? std::optional(slowest->rank) : std::nullopt;
}

StatusReader::StatusReader(FileSystem& files, fs::path out)
    : files_(files),
      out_(std::move(out)),
      job_(read_output_job(files_, out_)),
      store_(files_, out_, job_.store) {}

Status StatusReader::look() {
  Status status{.total = job_.store.files};
  for (std::int64_t place = 0; place < store_.shards().size(); ++place)
    look_at_shard(place, status);
  status.claims = claims_in(files_, store_.work_folder() / "claims");
  status.ranks = read_rank_status(out_);
  status.images_per_hour = status.complete() ? reported_rate(out_) : rate_of(status);
  return status;
}

void StatusReader::look_at_shard(std::int64_t place, Status& status) {
  if (!store_.is_sealed(place)) {
    sealed_.erase(place);
    ++status.shards_open;
    return look_at_open_shard(place, status);
  }
  ++status.shards_done;
  try {
    if (!sealed_.contains(place)) {
      Sealed sealed{.verdicts = store_.verdicts(place), .failures = {}};
      if (sealed.verdicts.failed > 0)
        for (const auto& record : store_.manifest(place).samples)
          add_failure(sealed.failures, record);
      sealed_[place] = std::move(sealed);
    }
    status.verdicts.add(sealed_[place].verdicts);
    for (const auto& [code, count] : sealed_[place].failures) status.failures[code] += count;
  } catch (const Error&) {
    return;  // damaged, as verify tells, or taken back meanwhile
  }
}

void StatusReader::look_at_open_shard(std::int64_t place, Status& status) const {
  for (const auto& [position, record] : store_.glance(place)) {
    status.verdicts.add(record.verdict);
    add_failure(status.failures, record);
  }
}

}  // namespace trireme
