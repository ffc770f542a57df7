#include "src/report/report.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

namespace trireme {
namespace {

using nlohmann::ordered_json;

// Bytes only where they were measured.
ordered_json as_json(const StageReport& stage) {
  ordered_json json;
  if (stage.weights_bytes > 0) json["weights_bytes"] = stage.weights_bytes;
  if (stage.activations_bytes > 0) json["activations_bytes"] = stage.activations_bytes;
  if (stage.buffers_bytes > 0) json["buffers_bytes"] = stage.buffers_bytes;
  json["seconds"] = stage.seconds;
  json["flops"] = stage.flops;
  return json;
}

ordered_json as_json(const RankReport& report) {
  ordered_json stages = ordered_json::object();
  for (const auto& [name, stage] : report.stages) stages[name] = as_json(stage);
  ordered_json sent = ordered_json::object();
  for (const auto& [kind, bytes] : report.sent_bytes) sent[kind] = bytes;
  return {{"rank", report.rank},
          {"host", report.host},
          {"device", report.device},
          {"peak_bytes", report.peak_bytes},
          {"sent_bytes", sent},
          {"stages", stages},
          {"load_seconds", report.load_seconds},
          {"write_seconds", report.write_seconds}};
}

ordered_json as_json(const ScheduleReport::Both& both) {
  return {{"predicted", both.predicted}, {"measured", both.measured}};
}

ordered_json as_json(const ScheduleReport& report) {
  ordered_json json = {{"replica", report.replica},        {"stages", report.stages},
                       {"in_flight", report.in_flight},    {"seconds", as_json(report.seconds)},
                       {"bubble", as_json(report.bubble)}, {"busy_seconds", ordered_json::array()}};
  for (const auto& rank : report.busy_seconds) json["busy_seconds"].push_back(as_json(rank));
  return json;
}

StageReport stage_report(const ordered_json& json) {
  return {json.value("weights_bytes", std::int64_t{0}),
          json.value("activations_bytes", std::int64_t{0}),
          json.value("buffers_bytes", std::int64_t{0}), json.at("seconds"), json.at("flops")};
}

double stage_seconds(const RankReport& rank, const std::string& name) {
  const auto stage = rank.stages.find(name);
  return stage == rank.stages.end() ? 0.0 : stage->second.seconds;
}

ordered_json longest_seconds(const Report& report) {
  const auto longest = [&report](auto seconds_of) {
    double most = 0;
    for (const RankReport& rank : report.ranks) most = std::max(most, seconds_of(rank));
    return most;
  };
  ordered_json seconds;
  seconds["total"] = report.total_seconds;
  seconds["load"] = longest([](const RankReport& rank) { return rank.load_seconds; });
  for (const Stage stage : {Stage::kEncode, Stage::kDenoise, Stage::kDecode}) {
    const std::string name = stage_name(stage);
    seconds[name] = longest([&](const RankReport& rank) { return stage_seconds(rank, name); });
  }
  seconds["write"] = longest([](const RankReport& rank) { return rank.write_seconds; });
  return seconds;
}

}  // namespace

std::string stage_name(Stage stage) {
  switch (stage) {
    case Stage::kLoad:
      return "load";
    case Stage::kEncode:
      return "encode";
    case Stage::kDenoise:
      return "denoise";
    case Stage::kDecode:
      return "decode";
    case Stage::kWrite:
      return "write";
  }
  return "";
}

double steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

double StageClock::seconds(Stage stage) const {
  const auto at = seconds_.find(stage);
  return at == seconds_.end() ? 0.0 : at->second;
}

std::int64_t StageClock::flops(Stage stage) const {
  const auto at = flops_.find(stage);
  return at == flops_.end() ? 0 : at->second;
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

// The kernel's VmHWM; getrusage's figure is inherited from whoever started us, so only where there
// is no /proc.
std::int64_t peak_host_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

void set_stages(RankReport& report, const StageClock& clock) {
  report.load_seconds = clock.seconds(Stage::kLoad);
  report.write_seconds = clock.seconds(Stage::kWrite);
  for (const Stage stage : {Stage::kEncode, Stage::kDenoise, Stage::kDecode}) {
    report.stages[stage_name(stage)].seconds = clock.seconds(stage);
    report.stages[stage_name(stage)].flops = clock.flops(stage);
  }
}

std::string to_text(const RankReport& report) {
  return as_json(report).dump();
}

RankReport rank_report(const std::string& text) {
  const auto json = ordered_json::parse(text);
  RankReport report{.rank = json.at("rank"),
                    .host = json.at("host"),
                    .device = json.at("device"),
                    .peak_bytes = json.at("peak_bytes"),
                    .load_seconds = json.at("load_seconds"),
                    .write_seconds = json.at("write_seconds")};
  for (const auto& [kind, bytes] : json.at("sent_bytes").items()) report.sent_bytes[kind] = bytes;
  for (const auto& [name, stage] : json.at("stages").items()) {
    report.stages[name] = stage_report(stage);
  }
  return report;
}

std::string to_json(const Report& report) {
  ordered_json json;
  json["samples"] = {{"done", report.done}, {"failed", report.failed}, {"skipped", report.skipped}};
  json["seconds"] = longest_seconds(report);
  json["ranks"] = ordered_json::array();
  for (const RankReport& rank : report.ranks) json["ranks"].push_back(as_json(rank));
  json["schedule"] = ordered_json::array();
  for (const auto& schedule : report.schedules) json["schedule"].push_back(as_json(schedule));
  json["predicted"] = ordered_json::parse(report.predicted);
  json["images_per_hour"] = report.total_seconds > 0
                                ? static_cast<double>(report.done) * 3600 / report.total_seconds
                                : 0.0;
  return json.dump(2) + "\n";
}

}  // namespace trireme
