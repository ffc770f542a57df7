#include "src/output/record.h"

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace trireme {
namespace {

using nlohmann::ordered_json;

constexpr std::array kNames = {"done", "failed", "skipped"};

Verdict verdict_of(const std::string& name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<Verdict>(i);
  throw ordered_json::other_error::create(501, "no verdict: " + name, nullptr);
}

void put(ordered_json& json, const char* key, const std::string& text) {
  if (!text.empty()) json[key] = text;
}

}  // namespace

const char* to_string(Verdict verdict) {
  return kNames.at(static_cast<std::size_t>(verdict));
}

ordered_json to_json(const SampleRecord& record) {
  ordered_json json = {{"index", record.index}, {"status", to_string(record.verdict)}};
  put(json, "code", record.code);
  put(json, "reason", record.reason);
  put(json, "file", record.file);
  if (!record.file.empty()) json["bytes"] = record.bytes;
  put(json, "sha256", record.sha256);
  for (const auto& [suffix, bytes] : record.members)
    json["members"].push_back(ordered_json{{"suffix", suffix}, {"bytes", bytes}});
  return json;
}

SampleRecord record_from(const ordered_json& json) {
  SampleRecord record{.index = json.at("index").get<std::int64_t>(),
                      .verdict = verdict_of(json.at("status").get<std::string>()),
                      .code = json.value("code", ""),
                      .reason = json.value("reason", ""),
                      .file = json.value("file", ""),
                      .bytes = json.value("bytes", std::int64_t{0}),
                      .sha256 = json.value("sha256", "")};
  if (!json.contains("members")) return record;
  for (const auto& member : json["members"])
    record.members.push_back(
        {member.at("suffix").get<std::string>(), member.at("bytes").get<std::int64_t>()});
  return record;
}

bool may_be_tried_again(const SampleRecord& record) {
  return record.verdict == Verdict::kFailed && record.code == kBadInput;
}

void Verdicts::add(Verdict verdict) {
  auto& count = verdict == Verdict::kDone ? done : verdict == Verdict::kFailed ? failed : skipped;
  ++count;
}

void Verdicts::add(const Verdicts& other) {
  done += other.done;
  failed += other.failed;
  skipped += other.skipped;
}

}  // namespace trireme
