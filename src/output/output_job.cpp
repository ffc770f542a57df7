#include "src/output/output_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "parallel/error.h"
#include "src/config/describe_job.h"
#include "src/output/commit.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// A run of indices without a gap, both ends included.
struct Run {
  std::int64_t first, last;
  std::int64_t position;  // of the first
};

// Grows; so do positions and indices in it.
using Runs = std::vector<Run>;

Error damaged(const fs::path& file, const std::string& what) {
  return {Exit::kBadData,
          fmt::format("[{}] {} -> a job.json as this program wrote it -> damaged or edited, or a "
                      "file of something else",
                      file.string(), what)};
}

Runs runs_from(const ordered_json& json) {
  Runs runs;
  std::int64_t position = 0;
  for (const auto& run : json) {
    const Run next{run.at(0).get<std::int64_t>(), run.at(1).get<std::int64_t>(), position};
    if (next.last < next.first || next.first < 0 ||
        (!runs.empty() && next.first <= runs.back().last))
      throw ordered_json::other_error::create(501, "indices must grow", nullptr);
    position += next.last - next.first + 1;
    runs.push_back(next);
  }
  return runs;
}

std::int64_t count(const Runs& runs) {
  return runs.empty() ? 0 : runs.back().position + runs.back().last - runs.back().first + 1;
}

std::int64_t index_of(const Runs& runs, std::int64_t position) {
  const auto after = std::upper_bound(runs.begin(), runs.end(), position,
                                      [](auto at, const Run& run) { return at < run.position; });
  const auto& run = *std::prev(after);
  return run.first + position - run.position;
}

std::optional<std::int64_t> position_of(const Runs& runs, std::int64_t index) {
  const auto after = std::upper_bound(runs.begin(), runs.end(), index,
                                      [](auto at, const Run& run) { return at < run.first; });
  if (after == runs.begin() || index > std::prev(after)->last) return std::nullopt;
  return std::prev(after)->position + index - std::prev(after)->first;
}

std::string extension_for(const std::string& format) {
  if (format == "png" || format == "webp") return format;
  if (format == "jpeg") return "jpg";
  if (format == "latents" || format == "embeds") return "safetensors";
  throw ordered_json::other_error::create(501, "no format: " + format, nullptr);
}

MetadataDetail detail_for(const std::string& metadata) {
  if (metadata == "none") return MetadataDetail::kNone;
  return metadata == "minimal" ? MetadataDetail::kMinimal : MetadataDetail::kFull;
}

OutputJob job_from(const ordered_json& json) {
  const auto& output = json.at("job").at("output");
  const auto runs = std::make_shared<const Runs>(runs_from(json.at("made_of").at("indices")));
  const bool tar = output.at("container").get<std::string>() == "webdataset";
  using Container = StoreOptions::Container;
  return {.store = {.container = tar ? Container::kTar : Container::kFiles,
                    .extension = extension_for(output.at("format").get<std::string>()),
                    .shard_size = output.at("shard_size").get<std::int64_t>(),
                    .files = count(*runs),
                    .index_of = [runs](std::int64_t at) { return index_of(*runs, at); },
                    .position_of = [runs](std::int64_t at) { return position_of(*runs, at); }},
          .metadata = detail_for(output.at("metadata").get<std::string>()),
          .captions = output.value("captions", false),
          .fingerprint = json.at("fingerprint").get<std::string>()};
}

}  // namespace

std::vector<std::string> OutputJob::suffixes() const {
  std::vector<std::string> suffixes;
  if (metadata != MetadataDetail::kNone) suffixes.push_back("json");
  if (captions) suffixes.push_back("txt");
  suffixes.push_back(store.extension);
  return suffixes;
}

bool OutputJob::has_metadata_file() const {
  return metadata != MetadataDetail::kNone && store.container == StoreOptions::Container::kFiles;
}

OutputJob read_output_job(FileSystem& files, const fs::path& out) {
  const auto place = out / "job.json";
  if (!is_there(files, place))
    throw Error(
        Exit::kMissingInput,
        fmt::format("[{}] {} -> the output folder of a job -> mistyped, or no run has begun "
                    "it yet",
                    out.string(), is_there(files, out) ? "holds no job.json" : "not there"));
  const auto text = read_file(files, place);
  try {
    const auto json = ordered_json::parse(text);
    auto job = job_from(json);
    const auto is = fingerprint_of(json.at("job"), json.at("made_of").dump());
    if (is != job.fingerprint) throw damaged(place, fmt::format("its fingerprint is not {}", is));
    if (job.store.shard_size < 1) throw damaged(place, "shard_size below 1");
    return job;
  } catch (const nlohmann::json::exception& error) {
    throw damaged(place, fmt::format("cannot be read ({})", error.what()));
  }
}

}  // namespace trireme
