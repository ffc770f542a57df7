#include "src/report/output_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "parallel/error.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t kDifferencesShown = 3;
constexpr std::size_t kValueShown = 60;

bool is_there(const fs::path& path) {
  std::error_code unseen;
  return fs::exists(path, unseen);
}

// `00000012` of at least so many digits, else nothing.
std::optional<std::int64_t> number(std::string_view text, std::size_t digits) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  if (text.size() < digits || !std::isdigit(static_cast<unsigned char>(text.front()))) return {};
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return {};
  return value;
}

// {"/sampling/seed": 0} as {"sampling.seed", "0"}: keys as in --set.
std::map<std::string, std::string> flat(const ordered_json& job) {
  std::map<std::string, std::string> values;
  const ordered_json pointers = job.flatten();
  for (const auto& [pointer, value] : pointers.items()) {
    std::string key = pointer.empty() ? "" : pointer.substr(1);
    std::replace(key.begin(), key.end(), '/', '.');
    values[key] = value.dump(-1, ' ', true);
  }
  return values;
}

bool is_under(const std::string& key, const std::string& parent) {
  return key == parent || key.starts_with(parent + ".");
}

// "sampling.seed was 0, is 3; ...": the first few, by key.
std::string differences(const ordered_json& before, const ordered_json& now,
                        const std::vector<std::string>& may_change) {
  const auto was = flat(before);
  const auto is = flat(now);
  const auto shortened = [](const std::string& text) {
    return text.size() > kValueShown ? text.substr(0, kValueShown) + "..." : text;
  };
  const auto value = [](const auto& values, const std::string& key) {
    const auto at = values.find(key);
    return at == values.end() ? std::string("not given") : at->second;
  };
  std::map<std::string, std::string> keys = was;
  keys.insert(is.begin(), is.end());
  std::vector<std::string> found;
  for (const auto& item : keys) {
    const std::string& key = item.first;
    const bool free = std::any_of(may_change.begin(), may_change.end(),
                                  [&](const auto& parent) { return is_under(key, parent); });
    if (free || value(was, key) == value(is, key)) continue;
    found.push_back(fmt::format("{} was {}, is {}", key, shortened(value(was, key)),
                                shortened(value(is, key))));
  }
  if (found.empty()) return "a file that it names has other contents";
  const std::size_t shown = std::min(found.size(), kDifferencesShown);
  const std::string more =
      found.size() > shown ? fmt::format("; and {} more", found.size() - shown) : "";
  return fmt::format("{}{}",
                     fmt::join(found.begin(), found.begin() + static_cast<int>(shown), "; "), more);
}

}  // namespace

OutputFolder::OutputFolder(fs::path path, OutputOptions options)
    : path_(std::move(path)), options_(std::move(options)) {}

OutputFolder OutputFolder::open(fs::path path, OutputOptions options) {
  OutputFolder folder(std::move(path), std::move(options));
  make_folder(folder.path_);
  const fs::path job = folder.path_ / "job.json";
  const std::string text = folder.job_json();
  const bool holds_samples = folder.holds_samples();
  if (is_there(job)) {
    folder.check_begun_by_us(read_file(job), holds_samples);
  } else if (holds_samples) {
    throw Error(Exit::kCannotCreate,
                fmt::format("[{}] holds samples but no job.json -> an empty or new folder, or one "
                            "that this job began -> output.path names a folder of something else",
                            folder.path_.string()));
  }
  remove_stale_files(folder.path_);
  for (const fs::path& samples : folder.sample_folders()) remove_stale_files(samples);
  write_atomically(job, text);
  return folder;
}

std::string OutputFolder::job_json() const {
  ordered_json content;
  content["fingerprint"] = options_.fingerprint;
  content["job"] = ordered_json::parse(options_.job);
  return content.dump(2) + "\n";
}

void OutputFolder::check_begun_by_us(const std::string& text, bool holds_samples) const {
  const std::string place = (path_ / "job.json").string();
  const ordered_json begun = ordered_json::parse(text, nullptr, false);
  if (!begun.is_object() || !begun.contains("fingerprint") || !begun.contains("job")) {
    throw Error(
        Exit::kCannotCreate,
        fmt::format("[{}] not a job.json as this program writes it -> an output.path of its "
                    "own -> edited or damaged, or a file of something else",
                    place));
  }
  if (!holds_samples || begun["fingerprint"] == options_.fingerprint) return;
  throw Error(Exit::kBadJob,
              fmt::format("[{}] begun with another job: {} -> the same job, or another output.path "
                          "-> the job or its prompt file was changed since",
                          place,
                          differences(begun["job"], ordered_json::parse(options_.job),
                                      options_.may_change)));
}

std::string OutputFolder::file_name(std::int64_t index) const {
  const std::string name = fmt::format("{:08}.{}", index, options_.extension);
  if (!has_sub_folders()) return name;
  return fmt::format("{:05}/{}", index / options_.shard_size, name);
}

fs::path OutputFolder::file_for(std::int64_t index) const {
  return path_ / file_name(index);
}

bool OutputFolder::is_done(std::int64_t index) const {
  std::error_code unseen;
  return fs::is_regular_file(file_for(index), unseen);
}

// OUT itself, or those of its sub-folders that are there.
std::vector<fs::path> OutputFolder::sample_folders() const {
  if (!has_sub_folders()) return {path_};
  std::vector<fs::path> folders;
  std::error_code unseen;
  for (const auto& entry : fs::directory_iterator(path_, unseen)) {
    if (number(entry.path().filename().string(), 5) && entry.is_directory(unseen)) {
      folders.push_back(entry.path());
    }
  }
  return folders;
}

std::vector<std::int64_t> OutputFolder::done_samples() const {
  std::vector<std::int64_t> done;
  std::error_code unseen;
  for (const fs::path& folder : sample_folders()) {
    for (const auto& entry : fs::directory_iterator(folder, unseen)) {
      const auto index = number(entry.path().stem().string(), 8);
      if (index && entry.path() == file_for(*index)) done.push_back(*index);
    }
  }
  std::sort(done.begin(), done.end());
  return done;
}

// Of any format and either arrangement.
bool OutputFolder::holds_samples() const {
  if (is_there(path_ / "metadata.jsonl")) return true;
  std::error_code unseen;
  const fs::directory_iterator entries(path_, unseen);
  return std::any_of(fs::begin(entries), fs::end(entries), [&](const auto& entry) {
    const fs::path& path = entry.path();
    return number(path.stem().string(), entry.is_directory(unseen) ? 5 : 8).has_value();
  });
}

AtomicFile OutputFolder::begin_file(std::int64_t index) const {
  const fs::path file = file_for(index);
  if (has_sub_folders()) make_folder(file.parent_path());
  return AtomicFile(file);
}

void OutputFolder::write(std::int64_t index, std::string_view bytes) const {
  AtomicFile file = begin_file(index);
  file.write(bytes);
  file.commit();
}

void OutputFolder::write_metadata(const std::vector<MetadataRow>& rows) const {
  if (options_.metadata == MetadataDetail::kNone) return;
  const fs::path path = path_ / "metadata.jsonl";
  std::map<std::int64_t, MetadataLine> lines;
  for (const MetadataRow& row : rows) {
    lines[row.index] = {row.status, metadata_line(row, file_name(row.index), options_.metadata)};
  }
  const std::string earlier = is_there(path) ? read_file(path) : "";
  for (auto& [index, line] : parse_metadata(earlier, path.string())) {
    // A picture that was taken away since is not promised any more.
    if (line.status != "done" || is_done(index)) lines.try_emplace(index, std::move(line));
  }
  std::string text;
  for (const auto& [index, line] : lines) text += line.line + "\n";
  if (!text.empty() || is_there(path)) write_atomically(path, text);
}

}  // namespace trireme
