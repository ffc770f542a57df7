// make_watched OUT: renders nothing, but leaves what a watched job leaves: two runs of four ranks,
// the first of them killed, with logs, metrics, manifests, pictures, a report and its page. Prompts
// and reasons are hostile.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "src/image/picture.h"
#include "src/output/manifest.h"
#include "src/report/event_log.h"
#include "src/report/metrics.h"
#include "src/report/page_reader.h"

namespace {

namespace fs = std::filesystem;
using namespace trireme;

constexpr int kRanks = 4;
constexpr std::int64_t kSamples = 24;
constexpr std::int64_t kBroken = 17;
const std::string kHostile =
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'\"&";

std::string prompt(std::int64_t index) {
  return index % 2 == 0 ? fmt::format("a red star, number {}, 猫", index) : kHostile;
}

void put(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string picture(std::int64_t index) {
  constexpr std::int64_t kHeight = 192, kWidth = 256;
  std::vector<std::uint8_t> pixels;
  for (std::int64_t y = 0; y < kHeight; ++y)
    for (std::int64_t x = 0; x < kWidth; ++x)
      for (const double phase : {0.0, 2.1, 4.2})
        pixels.push_back(static_cast<std::uint8_t>(
            127 + 120 * std::sin(0.02 * static_cast<double>(x + y * (index % 5)) + phase +
                                 static_cast<double>(index))));
  return encode_picture(PictureFormat::kPng, pixels, {kHeight, kWidth},
                        {{"parameters", prompt(index) + "\nSteps: 20, Seed: 1"}});
}

Manifest shard_of_pictures(const fs::path& output) {
  Manifest shard{.samples = {}};
  for (std::int64_t index = 0; index < kSamples; ++index) {
    if (index == kBroken) {
      shard.samples.push_back({.index = index,
                               .verdict = Verdict::kFailed,
                               .code = "nan",
                               .reason = "NaN after step 3: " + kHostile});
      continue;
    }
    const auto name = fmt::format("{:08}.png", index);
    put(output / name, picture(index));
    shard.samples.push_back({.index = index, .file = name, .bytes = 1, .sha256 = "00"});
  }
  sum_files(shard);
  return shard;
}

// Stages take now more and now less; the first rank loads longest.
void log_run(const fs::path& output, int rank, double begun, std::int64_t batches, bool ends) {
  double now = 0;
  EventLog log(output / log_name(rank), {.run = fmt::format("run-{}", begun),
                                         .rank = rank,
                                         .now = [&] { return now; },
                                         .wall_clock = [&] { return begun + now; }});
  log.write(RunStarted{.host = "node-1",
                       .device = "cpu",
                       .ranks = kRanks,
                       .layout = R"({"replicas":2})",
                       .samples = kSamples,
                       .versions = {{"trireme", "0.1.0"}}});
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    const double wave = 1 + 0.3 * std::sin(static_cast<double>(batch + rank));
    now += 15 + 5 * static_cast<double>(batch % 3);
    log.write(BatchDone{.first = batch * 2,
                        .samples = rank % 2 == 1 ? 2 : 0,
                        .seconds = {{"load", batch == 0 ? 2.0 : 0.0},
                                    {"encode", rank % 2 == 0 ? 2 * wave : 0},
                                    {"denoise", 7.5 * wave},
                                    {"decode", rank % 2 == 1 ? 2.5 : 0},
                                    {"write", rank % 2 == 1 ? 0.7 : 0}}});
  }
  if (ends && rank == 1) log.write(SampleFailed{.index = kBroken, .row = kBroken, .code = "nan"});
  if (rank == 0) log.write(Warned{"a slow disk: " + kHostile});
  if (ends) log.write(RunEnded{});
}

Report report() {
  Report report{.done = kSamples - 1, .failed = 1, .total_seconds = 140};
  std::string predicted;
  for (int rank = 0; rank < kRanks; ++rank) {
    const std::int64_t peak = (std::int64_t{9} << 30) + rank * (std::int64_t{700} << 20);
    report.ranks.push_back({.rank = rank, .host = "node-1", .device = "cpu", .peak_bytes = peak});
    report.ranks.back().stages["denoise"].seconds = 61.5 + rank;
    predicted +=
        fmt::format(R"({}{{"rank":{},"peak_bytes":{},"limit_bytes":{}}})", rank == 0 ? "" : ",",
                    rank, peak + (std::int64_t{300} << 20), std::int64_t{16} << 30);
  }
  report.predicted = fmt::format(R"({{"layout":{{"replicas":2}},"ranks":[{}]}})", predicted);
  report.schedules.push_back({.replica = 0, .stages = 2, .bubble = {0.125, 0.15}});
  return report;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  const fs::path output = argv[1];
  fs::create_directories(output);
  for (int rank = 0; rank < kRanks; ++rank) {
    log_run(output, rank, 1.8e9, 4, false);
    log_run(output, rank, 1.8e9 + 7200, 8, true);
    MetricsFile(output / metrics_name(rank), {})
        .update({.output = "a \"quoted\\path\"\nof two lines",
                 .rank = rank,
                 .version = "0.1.0",
                 .exit_code = 0,
                 .uptime_seconds = 160.25,
                 .done = 12,
                 .failed = rank == 1 ? 1 : 0,
                 .steps = 480,
                 .stage_seconds = {{"denoise", 80.5}},
                 .memory_bytes = {{"host", 1 << 30}},
                 .sent_bytes = {{"all_reduce", 4096}}});
  }
  put(output / "000000.json", to_text(shard_of_pictures(output)));
  put(output / "report.json", to_json(report()));
  put(output / "job.json",
      R"({"fingerprint":"0123456789abcdef","job":{"model":{"path":"some/<b>model</b>"}}})");
  write_report_page(output, {});
}
