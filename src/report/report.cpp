#include "src/report/report.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "src/report/human.h"
#include "src/report/table.h"

namespace trireme {
namespace {

using nlohmann::ordered_json;

ordered_json as_json(const StageReport& stage) {
  return {{"weights_bytes", stage.weights_bytes},
          {"activations_bytes", stage.activations_bytes},
          {"buffers_bytes", stage.buffers_bytes},
          {"seconds", stage.seconds},
          {"flops", stage.flops}};
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
          {"host_peak_bytes", report.host_peak_bytes},
          {"program_bytes", report.program_bytes},
          {"load_peak_bytes", report.load_peak_bytes},
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
  return {json.at("weights_bytes"), json.at("activations_bytes"), json.at("buffers_bytes"),
          json.at("seconds"), json.at("flops")};
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

// What the kernel knows of this process.
std::optional<std::int64_t> from_status(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kilobytes = 0;
    if (word == key && status >> kilobytes) return kilobytes * 1024;
  }
  return std::nullopt;
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

std::int64_t host_bytes() {
  return from_status("VmRSS:").value_or(0);
}

// getrusage's figure is inherited from whoever started us, so only where there is no /proc.
std::int64_t peak_host_bytes() {
  if (const auto peak = from_status("VmHWM:")) return *peak;
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

namespace {

// What the plan expected a stage of a rank to hold; "-" where nothing was planned.
std::string planned_sum(const ordered_json& plan, int rank, const std::string& stage) {
  if (!plan.is_object() || !plan.contains("ranks")) return "-";
  for (const auto& planned : plan["ranks"]) {
    if (planned["rank"] != rank) continue;
    const auto& parts = planned["stages"][stage];
    double sum = 0;
    for (const auto* part : {"weights_bytes", "activations_bytes", "buffers_bytes"})
      sum += parts[part].get<double>();
    return human_bytes(sum);
  }
  return "-";
}

}  // namespace

std::string memory_table(const Report& report) {
  const auto cell = [](std::int64_t bytes) { return human_bytes(static_cast<double>(bytes)); };
  const auto plan = ordered_json::parse(report.predicted);
  std::vector<TableRow> rows = {
      {"rank", "stage", "weights", "activations", "buffers", "sum", "planned"}};
  for (const RankReport& rank : report.ranks) {
    const auto number = std::to_string(rank.rank);
    for (const Stage stage : {Stage::kEncode, Stage::kDenoise, Stage::kDecode}) {
      const auto at = rank.stages.find(stage_name(stage));
      if (at == rank.stages.end()) continue;
      const auto& [weights, activations, buffers, seconds, flops] = at->second;
      rows.push_back({number, at->first, cell(weights), cell(activations), cell(buffers),
                      cell(weights + activations + buffers),
                      planned_sum(plan, rank.rank, at->first)});
    }
    rows.push_back({number, "loading", "-", cell(rank.load_peak_bytes), "-", "-"});
    rows.push_back({number, "program", "-", "-", "-", cell(rank.program_bytes)});
    if (rank.peak_bytes != rank.host_peak_bytes)
      rows.push_back({number, "peak of " + rank.device, "-", "-", "-", cell(rank.peak_bytes)});
    rows.push_back({number, "peak of the host", "-", "-", "-", cell(rank.host_peak_bytes)});
  }
  return table(rows);
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
                    .host_peak_bytes = json.at("host_peak_bytes"),
                    .program_bytes = json.at("program_bytes"),
                    .load_peak_bytes = json.at("load_peak_bytes"),
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
