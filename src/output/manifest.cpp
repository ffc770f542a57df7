#include "src/output/manifest.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/output/sha256.h"

namespace trireme {
namespace {

using nlohmann::ordered_json;

std::string line_of(const SampleRecord& record) {
  return to_json(record).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json head_of(const Manifest& manifest) {
  const auto verdicts = manifest.verdicts();
  ordered_json head = {{"shard", manifest.shard},   {"first", manifest.first},
                       {"count", verdicts.all()},   {"done", verdicts.done},
                       {"failed", verdicts.failed}, {"skipped", verdicts.skipped}};
  if (!manifest.file.empty()) head["file"] = manifest.file;
  head["bytes"] = manifest.bytes;
  head["sha256"] = manifest.sha256;
  return head;
}

Error damaged(const std::string& place, const std::string& what) {
  return {Exit::kBadData,
          fmt::format("[{}] {} -> a manifest as it was written -> damaged, cut or edited", place,
                      what)};
}

// Of single files the head sums up what the lines say.
bool sums_agree(const Manifest& manifest) {
  if (!manifest.file.empty()) return true;
  auto summed = manifest;
  sum_files(summed);
  return summed == manifest;
}

Manifest read(const ordered_json& json) {
  Manifest manifest{.shard = json.at("shard").get<std::int64_t>(),
                    .first = json.at("first").get<std::int64_t>(),
                    .file = json.value("file", ""),
                    .bytes = json.at("bytes").get<std::int64_t>(),
                    .sha256 = json.at("sha256").get<std::string>()};
  for (const auto& sample : json.at("samples")) manifest.samples.push_back(record_from(sample));
  return manifest;
}

}  // namespace

Verdicts Manifest::verdicts() const {
  Verdicts verdicts;
  for (const auto& sample : samples) verdicts.add(sample.verdict);
  return verdicts;
}

std::string to_text(const Manifest& manifest) {
  auto text = head_of(manifest).dump();
  text.back() = ',';
  text += "\"samples\":[";
  for (const auto& sample : manifest.samples)
    text += (&sample == manifest.samples.data() ? "\n" : ",\n") + line_of(sample);
  return text + "\n]}\n";
}

Manifest manifest_from(std::string_view text, const std::string& place) {
  try {
    const auto json = ordered_json::parse(text);
    auto manifest = read(json);
    const auto head = head_of(manifest);
    for (const auto& [key, value] : head.items())
      if (json.value(key, ordered_json()) != value)
        throw damaged(place, fmt::format("{} is not {}", key, value.dump()));
    if (!sums_agree(manifest)) throw damaged(place, "its sums do not agree");
    if (to_text(manifest) != text) throw damaged(place, "not in the form in which it is written");
    return manifest;
  } catch (const nlohmann::json::exception&) {
    throw damaged(place, "cannot be read");
  }
}

void sum_files(Manifest& manifest) {
  Sha256 hash;
  manifest.bytes = 0;
  for (const auto& sample : manifest.samples) {
    if (sample.verdict != Verdict::kDone) continue;
    manifest.bytes += sample.bytes;
    hash.add(sample.sha256 + "  " + sample.file + "\n");
  }
  manifest.sha256 = hash.hex();
}

bool is_as_written(const Manifest& manifest, std::string_view text) {
  auto summed = manifest;
  if (manifest.file.empty()) sum_files(summed);
  return summed == manifest && to_text(manifest) == text;
}

}  // namespace trireme
