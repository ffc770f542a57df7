// ShardVerifier: tars, against their manifests and what WebDataset needs.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/sha256.h"
#include "src/output/tar.h"
#include "src/output/verify_shard.h"

namespace trireme {

namespace fs = std::filesystem;

void ShardVerifier::verify_tar(const Manifest& manifest, std::int64_t place, ShardLook& look) {
  const auto path = store_.tar_path(place);
  const auto known = look.damages.size();
  const auto wrong = [&](const std::string& what) {
    add(look, {.file = path.filename().string(), .what = what});
  };
  try {
    if (!is_there(files_, path)) return wrong("is missing");
    const auto [sha256, bytes] = sum_of_file(files_, path);
    count(manifest.verdicts().done, bytes);
    const bool same = bytes == manifest.bytes && sha256 == manifest.sha256;
    // Of a tar that is as promised, what does not fit is the manifest's line.
    verify_members(manifest, place, same ? manifest_name(place) : path.filename().string(), look);
    if (same || look.damages.size() > known) return;
    wrong(bytes != manifest.bytes ? fmt::format("{} bytes, {} were promised", bytes, manifest.bytes)
                                  : "its SHA-256 is not that in " + manifest_name(place));
  } catch (const std::exception& error) {
    wrong(what_is_said(error));
  }
}

// The same members for every sample that is done, in order, and nothing else.
void ShardVerifier::verify_members(const Manifest& manifest, std::int64_t place,
                                   const std::string& blamed, ShardLook& look) {
  const auto suffixes = job_.suffixes();
  TarReader reader(store_.tar_path(place));
  for (const auto& record : manifest.samples) {
    if (record.verdict != Verdict::kDone) continue;
    for (const auto& suffix : suffixes) {
      const auto name = fmt::format("{:08}.{}", record.index, suffix);
      const auto member = reader.next();
      if (!member || member->name != name)
        return add(look, {.file = blamed,
                          .index = record.index,
                          .what = fmt::format("{} where {} must stand",
                                              member ? member->name : "its end", name)});
      verify_member(record, suffix, reader.bytes(), blamed, look);
    }
  }
  if (const auto more = reader.next())
    add(look, {.file = blamed, .what = fmt::format("no manifest promises {} in it", more->name)});
}

void ShardVerifier::verify_member(const SampleRecord& record, const std::string& suffix,
                                  const std::string& content, const std::string& blamed,
                                  ShardLook& look) {
  const auto place = store_.shards().place_of(store_.position_of(record.index));
  const auto wrong = [&](const std::string& what) {
    add(look, {.file = blamed,
               .index = record.index,
               .what = fmt::format("{:08}.{}: {}", record.index, suffix, what)});
    const std::lock_guard lock(mutex_);
    look.suspects.push_back(record.index);  // the tar may be as promised, and its line not
  };
  if (suffix == job_.store.extension) {
    if (static_cast<std::int64_t>(content.size()) != record.bytes)
      return wrong(fmt::format("{} bytes, {} were promised", content.size(), record.bytes));
    if (sha256_of(content) != record.sha256) return wrong("its SHA-256 is not the promised one");
    if (decodes(record.index, place)) decode(record, content, look);
  } else if (suffix == "json") {
    const auto json = nlohmann::json::parse(content, nullptr, false);
    if (!json.is_object() || json.value("index", std::int64_t{-1}) != record.index ||
        json.value("file_name", "") != record.file)
      wrong("does not tell of this sample");
  }
}

}  // namespace trireme
