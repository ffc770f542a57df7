#include "src/output/output_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "parallel/error.h"
#include "src/output/commit.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t kDifferencesShown = 3;
constexpr std::size_t kValueShown = 60;

bool is_number(std::string_view text, std::size_t least, std::size_t most) {
  return text.size() >= least && text.size() <= most &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

// A picture, a folder of them, or a shard with its manifest.
bool is_of_samples(FileSystem& files, const fs::path& out, const std::string& name) {
  const fs::path path = name;
  const auto stem = path.stem().string();
  if (files.status(out / name).is_folder) return is_number(name, 5, 20);
  const bool shard = path.extension() == ".json" || path.extension() == ".tar";
  return name == "metadata.jsonl" || is_number(stem, shard ? 6 : 8, 20);
}

bool has_journals(FileSystem& files, const fs::path& work) {
  const auto names = names_in(files, work);
  return std::any_of(names.begin(), names.end(), [&](const auto& name) {
    return is_number(name, 6, 20) && !names_in(files, work / name).empty();
  });
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
  if (found.empty()) return "something that it names has changed";
  const std::size_t shown = std::min(found.size(), kDifferencesShown);
  const std::string more =
      found.size() > shown ? fmt::format("; and {} more", found.size() - shown) : "";
  return fmt::format("{}{}",
                     fmt::join(found.begin(), found.begin() + static_cast<int>(shown), "; "), more);
}

}  // namespace

bool holds_samples(FileSystem& files, const fs::path& out) {
  const auto names = names_in(files, out);
  return std::any_of(names.begin(), names.end(),
                     [&](const auto& name) { return is_of_samples(files, out, name); }) ||
         has_journals(files, out / ".trireme");
}

namespace {

std::string job_json(const OutputIdentity& identity) {
  ordered_json content;
  content["fingerprint"] = identity.fingerprint;
  content["job"] = ordered_json::parse(identity.job);
  content["made_of"] = ordered_json::parse(identity.made_of);
  return content.dump(2) + "\n";
}

ordered_json all_of(const ordered_json& job, const ordered_json& made_of) {
  auto all = job;
  all["made_of"] = made_of;
  return all;
}

void check_begun_by_us(const fs::path& place, const std::string& text, bool has_samples,
                       const OutputIdentity& identity) {
  const ordered_json begun = ordered_json::parse(text, nullptr, false);
  if (!begun.is_object() || !begun.contains("fingerprint") || !begun.contains("job"))
    throw Error(
        Exit::kCannotCreate,
        fmt::format("[{}] not a job.json as this program writes it -> an output.path of its "
                    "own -> edited or damaged, or a file of something else",
                    place.string()));
  if (!has_samples || begun["fingerprint"] == identity.fingerprint) return;
  throw Error(Exit::kBadJob,
              fmt::format("[{}] begun with another job: {} -> the same job, or another output.path "
                          "-> the job, its prompts or its weights were changed since",
                          place.string(),
                          differences(all_of(begun["job"], begun.value("made_of", ordered_json())),
                                      all_of(ordered_json::parse(identity.job),
                                             ordered_json::parse(identity.made_of)),
                                      identity.may_change)));
}

void remove_what_killed_runs_left(FileSystem& files, const fs::path& out) {
  remove_stale_files(files, out);
  for (const auto& name : names_in(files, out))
    if (is_number(name, 5, 20)) remove_stale_files(files, out / name);
  for (const auto& name : names_in(files, out / ".trireme"))
    remove_stale_files(files, out / ".trireme" / name);
}

}  // namespace

void begin_output(FileSystem& files, const fs::path& out, const OutputIdentity& identity) {
  make_folder(files, out);
  const auto job = out / "job.json";
  const bool has_samples = holds_samples(files, out);
  if (is_there(files, job)) {
    check_begun_by_us(job, read_file(files, job), has_samples, identity);
  } else if (has_samples) {
    throw Error(Exit::kCannotCreate,
                fmt::format("[{}] holds samples but no job.json -> an empty or new folder, or one "
                            "that this job began -> output.path names a folder of something else",
                            out.string()));
  }
  remove_what_killed_runs_left(files, out);
  replace(files, job, job_json(identity));
}

}  // namespace trireme
