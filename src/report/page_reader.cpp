#include "src/report/page_reader.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "parallel/error.h"
#include "src/output/manifest.h"
#include "src/report/page_pictures.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t kRateSlots = 96;
constexpr std::size_t kLaneSlots = 120;
constexpr std::size_t kMostLanes = 64;
constexpr std::size_t kMostKeptSamples = 200'000;  // whose records stay in memory

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Null where there is none, or it cannot be read.
ordered_json json_of(const fs::path& file) {
  auto json = ordered_json::parse(text_of(file), nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? ordered_json() : json;
}

// A field down this path, or null.
ordered_json field(const ordered_json& of, const std::string& pointer) {
  const ordered_json::json_pointer at(pointer);
  return of.contains(at) ? of.at(at) : ordered_json();
}

template <class Value>
Value field(const ordered_json& of, const std::string& pointer, Value otherwise) {
  try {
    return field(of, pointer).get<Value>();
  } catch (const ordered_json::exception&) {
    return otherwise;
  }
}

std::string pretty(const ordered_json& json) {
  return json.is_null() ? "" : json.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

bool is_manifest_name(const fs::path& file) {
  const auto stem = file.stem().string();
  return file.extension() == ".json" && stem.size() >= 6 &&
         std::all_of(stem.begin(), stem.end(), [](unsigned char c) { return std::isdigit(c); });
}

std::vector<fs::path> manifest_files(const fs::path& output) {
  std::vector<fs::path> files;
  std::error_code none;
  for (fs::directory_iterator at(output, none), end; !none && at != end; at.increment(none))
    if (is_manifest_name(at->path())) files.push_back(at->path());
  std::sort(files.begin(), files.end());
  return files;
}

void add_failures(ReportPage& page, const Manifest& shard) {
  for (const auto& sample : shard.samples)
    if (sample.verdict == Verdict::kFailed)
      page.failures.push_back({sample.index, sample.code, sample.reason});
}

// The shards, of which a part is kept where there are many.
std::vector<Manifest> read_shards(ReportPage& page, const fs::path& output) {
  std::vector<Manifest> shards;
  std::size_t samples = 0;
  for (const auto& file : manifest_files(output)) {
    try {
      auto shard = manifest_from(text_of(file), file.string());
      const auto verdicts = shard.verdicts();
      page.done += verdicts.done;
      page.failed += verdicts.failed;
      page.skipped += verdicts.skipped;
      page.bytes += shard.bytes;
      ++page.shards;
      add_failures(page, shard);
      samples += shard.samples.size();
      if (samples > kMostKeptSamples) shard.samples.clear();
      if (!shard.samples.empty() || !shard.file.empty()) shards.push_back(std::move(shard));
    } catch (const Error&) {
      continue;
    }
  }
  return shards;
}

// Of shards that are still open.
void add_logged_failures(ReportPage& page) {
  const auto known = page.failures.size();
  const auto earlier = [](const PageFailure& a, const PageFailure& b) { return a.index < b.index; };
  std::sort(page.failures.begin(), page.failures.end(), earlier);
  for (const auto& [index, failed] : page.timeline.failures) {
    const auto end = page.failures.begin() + static_cast<std::ptrdiff_t>(known);
    if (!std::binary_search(page.failures.begin(), end, PageFailure{.index = index}, earlier))
      page.failures.push_back({index, failed.code, failed.reason});
  }
  std::sort(page.failures.begin(), page.failures.end(), earlier);
}

std::optional<std::int64_t> planned(const ordered_json& report, int rank, const char* name) {
  for (const auto& of : field(report, "/predicted/ranks"))
    if (field(of, "/rank", -1) == rank && of.contains(name))
      return field(of, std::string("/") + name, std::int64_t{0});
  return std::nullopt;
}

PageRank rank_of(const ordered_json& report, const ordered_json& of) {
  const int rank = field(of, "/rank", 0);
  const auto seconds = [&](const std::string& pointer) { return field(of, pointer, 0.0); };
  return {.rank = rank,
          .host = field(of, "/host", std::string()),
          .device = field(of, "/device", std::string()),
          .peak_bytes = field(of, "/peak_bytes", std::int64_t{0}),
          .planned_bytes = planned(report, rank, "peak_bytes"),
          .limit_bytes = planned(report, rank, "limit_bytes"),
          .seconds = {seconds("/load_seconds"), seconds("/stages/encode/seconds"),
                      seconds("/stages/denoise/seconds"), seconds("/stages/decode/seconds"),
                      seconds("/write_seconds")}};
}

void add_report(ReportPage& page, const ordered_json& report) {
  for (const auto& of : field(report, "/ranks")) page.ranks.push_back(rank_of(report, of));
  for (const auto& of : field(report, "/schedule"))
    page.schedules.push_back({.replica = field(of, "/replica", 0),
                              .stages = field(of, "/stages", 0),
                              .planned_bubble = field(of, "/bubble/predicted", 0.0),
                              .bubble = field(of, "/bubble/measured", 0.0)});
  page.layout = pretty(field(report, "/predicted/layout"));
}

void add_job(ReportPage& page, const ordered_json& job) {
  page.model = field(job, "/job/model/path", std::string());
  page.fingerprint = field(job, "/fingerprint", std::string());
  page.job = pretty(field(job, "/job"));
  if (page.layout.empty()) page.layout = pretty(field(job, "/job/layout"));
}

std::string title_of(const fs::path& output) {
  std::error_code none;
  const auto whole = fs::weakly_canonical(output, none);
  const auto name = whole.filename().string();
  return name.empty() ? output.string() : name;
}

}  // namespace

ReportPage read_report_page(const fs::path& output, const PageOptions& options) {
  ReportPage page{.title = title_of(output)};
  page.timeline = read_logs(output).finish(kRateSlots, kLaneSlots, kMostLanes);
  page.warnings = page.timeline.warnings;
  page.total = options.total.value_or(page.timeline.samples);
  const auto shards = read_shards(page, output);
  if (options.verdicts) {
    page.done = options.verdicts->done;
    page.failed = options.verdicts->failed;
    page.skipped = options.verdicts->skipped;
  }
  add_logged_failures(page);
  add_report(page, json_of(output / "report.json"));
  add_job(page, json_of(output / "job.json"));
  page.pictures =
      sheet_of(output, shards, {.pictures = options.pictures, .side = options.picture_side});
  return page;
}

void write_report_page(const fs::path& output, const TellFailure& tell,
                       const PageOptions& options) {
  LiveFile(output / "report.html", tell).replace(report_page(read_report_page(output, options)));
}

}  // namespace trireme
