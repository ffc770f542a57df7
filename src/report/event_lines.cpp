// Events as lines of JSON and back.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "src/report/event_log.h"

namespace trireme {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kLongestText = 2000;  // bytes; a reason may quote a prompt of megabytes

std::string cut(const std::string& text) {
  if (text.size() <= kLongestText) return text;
  std::size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// Every event has its name, its fields as JSON and the way back, as overloads.
void put(ordered_json& to, const Unknown& of) {
  to["event"] = of.event;
}

void put(ordered_json& to, const RunStarted& of) {
  to["event"] = "run_started";
  to["host"] = of.host;
  to["device"] = of.device;
  to["ranks"] = of.ranks;
  to["replica"] = of.replica;
  to["pid"] = of.pid;
  to["layout"] = ordered_json::parse(of.layout);
  to["fingerprint"] = of.fingerprint;
  to["samples"] = of.samples;
  to["there"] = of.there;
  to["versions"] = of.versions;
}

void put(ordered_json& to, const BatchDone& of) {
  to["event"] = "batch_done";
  to["batches"] = of.batches;
  to["first"] = of.first;
  to["samples"] = of.samples;
  to["stages"] = of.seconds;
}

void put(ordered_json& to, const SampleFailed& of) {
  to["event"] = "sample_failed";
  to["index"] = of.index;
  to["row"] = of.row;
  to["code"] = cut(of.code);
  to["reason"] = cut(of.reason);
}

void put(ordered_json& to, const ShardClaimed& of) {
  to["event"] = "shard_claimed";
  to["shard"] = of.shard;
  to["first"] = of.first;
  to["count"] = of.count;
  to["there"] = of.there;
}

void put(ordered_json& to, const ShardSealed& of) {
  to["event"] = "shard_sealed";
  to["shard"] = of.shard;
  to["done"] = of.done;
  to["failed"] = of.failed;
  to["skipped"] = of.skipped;
  to["bytes"] = of.bytes;
}

void put(ordered_json& to, const Warned& of) {
  to["event"] = "warning";
  to["text"] = cut(of.text);
}

void put(ordered_json& to, const SignalCame& of) {
  to["event"] = "signal";
  to["signal"] = of.signal;
}

void put(ordered_json& to, const RunEnded& of) {
  to["event"] = "run_ended";
  to["exit"] = of.exit_code;
  to["done"] = of.done;
  to["failed"] = of.failed;
  to["skipped"] = of.skipped;
}

RunStarted run_started(const json& of) {
  return {of.at("host"),        of.at("device"),
          of.at("ranks"),       of.at("replica"),
          of.at("pid"),         of.at("layout").dump(),
          of.at("fingerprint"), of.at("samples"),
          of.at("there"),       of.at("versions").get<std::map<std::string, std::string>>()};
}

Event event_of(const json& of) {
  const std::string name = of.at("event");
  if (name == "run_started") return run_started(of);
  if (name == "batch_done")
    return BatchDone{of.at("batches"), of.at("first"), of.at("samples"),
                     of.at("stages").get<std::map<std::string, double>>()};
  if (name == "sample_failed")
    return SampleFailed{of.at("index"), of.at("row"), of.at("code"), of.at("reason")};
  if (name == "shard_claimed")
    return ShardClaimed{of.at("shard"), of.at("first"), of.at("count"), of.at("there")};
  if (name == "shard_sealed")
    return ShardSealed{of.at("shard"), of.at("done"), of.at("failed"), of.at("skipped"),
                       of.at("bytes")};
  if (name == "warning") return Warned{of.at("text")};
  if (name == "signal") return SignalCame{of.at("signal")};
  if (name == "run_ended")
    return RunEnded{of.at("exit"), of.at("done"), of.at("failed"), of.at("skipped")};
  return Unknown{name};
}

// Nothing where the text is no time as utc() writes it.
std::optional<double> seconds_of(const std::string& text) {
  std::tm date = {};
  double seconds = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%lfZ", &date.tm_year, &date.tm_mon, &date.tm_mday,
                  &date.tm_hour, &date.tm_min, &seconds) != 6)
    return std::nullopt;
  date.tm_year -= 1900;
  date.tm_mon -= 1;
  return static_cast<double>(timegm(&date)) + seconds;
}

double to_milliseconds(double seconds) {
  return std::round(seconds * 1e3) / 1e3;
}

}  // namespace

std::string utc(double seconds_since_1970) {
  const auto milliseconds = std::llround(seconds_since_1970 * 1e3);
  const auto whole = milliseconds / 1000;
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(whole)),
                     milliseconds % 1000);
}

std::string to_line(const LoggedEvent& event) {
  ordered_json line;
  line["time"] = utc(event.time);
  line["seconds"] = to_milliseconds(event.seconds);
  line["run"] = event.run;
  line["rank"] = event.rank;
  std::visit([&](const auto& of) { put(line, of); }, event.event);
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::optional<LoggedEvent> parse_event(std::string_view line) {
  try {
    const auto of = json::parse(line);
    const auto time = seconds_of(of.at("time"));
    if (!time) return std::nullopt;
    return LoggedEvent{*time, of.at("seconds"), of.at("run"), of.at("rank"), event_of(of)};
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

void read_events(const std::filesystem::path& log,
                 const std::function<void(const LoggedEvent& event)>& take) {
  std::ifstream file(log, std::ios::binary);
  for (std::string line; std::getline(file, line);)
    if (const auto event = parse_event(line)) take(*event);
}

}  // namespace trireme
