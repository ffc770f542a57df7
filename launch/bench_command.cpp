#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "launch/host.h"
#include "launch/process.h"
#include "launch/workplace.h"
#include "src/calibration/measure.h"
#include "src/config/read_cluster.h"
#include "src/output/commit.h"
#include "src/render/gather.h"
#include "src/report/human.h"
#include "src/report/table.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kComment =
    "Measured by `trireme bench --calibrate`, but for load_GBps, which is assumed; a CPU's rates "
    "are "
    "those of one thread.";

Cluster calibrated(const Process& process, const Workplace& place) {
  const auto dtype = place.device.is_cpu() ? at::kFloat : at::kBFloat16;
  if (place.device.is_cpu()) at::set_num_threads(1);
  // One rank after the other, so that none is measured beside others that do the same.
  Rates rates;
  for (int rank = 0; rank < place.world.size(); ++rank) {
    if (rank == place.world.rank()) rates = measure_rates(place.device, dtype);
    place.world.barrier();
    if (rank == 0 && place.device.is_cpu()) break;  // they are alike
  }
  const auto link = measure_link(place.world, place.device);
  Device device{.name = place.name, .memory_bytes = place.bytes, .rates = rates};
  auto cluster = cluster_of(device, place.world.size());
  const auto known = cluster.nodes.front().link;
  cluster.name = process.host();
  cluster.nodes.clear();
  for (const auto& host : gather_texts(place.world, process.host())) {
    if (cluster.nodes.empty() || cluster.nodes.back().name != host)
      cluster.nodes.push_back({.name = host, .devices = 0, .device = device, .link = known});
    ++cluster.nodes.back().devices;
  }
  // All ranks talked at once: over several hosts what lies between them set the pace.
  if (link.rate > 0)
    (cluster.nodes.size() == 1 ? cluster.nodes.front().link : cluster.between) = link;
  return cluster;
}

std::string giga(double rate, const char* unit) {
  return fmt::format("{:.3g} {}", rate / 1e9, unit);
}

std::string rates_table(const Cluster& cluster) {
  const auto& [name, bytes, rates] = cluster.nodes.front().device;
  std::vector<TableRow> rows = {{"rate", "measured"},
                                {"matrix products", giga(rates.matmul, "GFLOP/s")},
                                {"... half of it at", fmt::format("{:.0f} rows", rates.half_rows)},
                                {"convolutions", giga(rates.convolution, "GFLOP/s")}};
  for (const auto& [dim, rate] : rates.attention)
    rows.push_back({fmt::format("attention, heads of {}", dim), giga(rate, "GFLOP/s")});
  rows.push_back({"... half of it at", fmt::format("{:.0f} keys", rates.half_keys)});
  rows.push_back({"element-wise", giga(rates.copy, "GB/s")});
  rows.push_back({"launch", fmt::format("{:.2g} us", rates.launch * 1e6)});
  if (rates.host_to_device > 0)
    rows.push_back({"from the host", giga(rates.host_to_device, "GB/s")});
  if (cluster.ranks() > 1) {
    const auto& link = cluster.nodes.front().link;
    rows.push_back({"latency", fmt::format("{:.3g} us", link.latency * 1e6)});
    rows.push_back({"to a neighbour", giga(link.rate, "GB/s")});
    rows.push_back({"sums and gathers", giga(link.collective, "GB/s")});
    for (const auto& [ranks, rate] : link.all_to_all)
      rows.push_back({fmt::format("all to all of {}", ranks), giga(rate, "GB/s")});
  }
  return table(rows);
}

void make_parents(const fs::path& file) {
  if (file.has_parent_path()) fs::create_directories(file.parent_path());
}

Exit calibrate(const BenchOptions& options, const Process& process) {
  const auto place = workplace_for(DeviceChoice::kAuto, process);
  const auto cluster = calibrated(process, place);
  if (place.world.rank() > 0) return Exit::kDone;
  const auto file = options.out.empty() ? calibration_file() : options.out;
  const auto yaml = to_yaml(cluster, kComment);
  make_parents(file);
  write_atomically(file, yaml);
  std::cout << (options.json ? Json{{"file", file}, {"yaml", yaml}}.dump(2) + "\n"
                             : rates_table(cluster));
  std::cerr << "written to " << file << ", where plan and render look for it\n";
  return Exit::kDone;
}

// Of all ranks together, but for seconds: those of the rank that took longest.
Json stage_json(const Json& report, const std::string& stage) {
  double seconds = 0, expected = 0, flops = 0;
  for (const auto& rank : report["ranks"]) {
    if (!rank["stages"].contains(stage)) continue;
    seconds = std::max(seconds, rank["stages"][stage]["seconds"].get<double>());
    flops += rank["stages"][stage]["flops"].get<double>();
  }
  if (report["predicted"].is_object())
    for (const auto& rank : report["predicted"]["ranks"])
      expected = std::max(expected, rank["stages"][stage]["seconds"].get<double>());
  return {{"seconds", seconds}, {"predicted_seconds", expected}, {"flops", flops}};
}

Json bench_json(const Json& report) {
  Json out = {{"pictures", report["samples"]["done"]},
              {"images_per_hour", report["images_per_hour"]},
              {"seconds", report["seconds"]},
              {"sent_bytes", Json::object()}};
  for (const auto* stage : {"encode", "denoise", "decode"})
    out["stages"][stage] = stage_json(report, stage);
  for (const auto& rank : report["ranks"])
    for (const auto& [kind, bytes] : rank["sent_bytes"].items())
      out["sent_bytes"][kind] = out["sent_bytes"].value(kind, int64_t{0}) + bytes.get<int64_t>();
  return out;
}

// Beside the job's output while a bench lasts. Its first rank makes and removes it.
class BenchFolder {
 public:
  // Error (kCannotCreate) if something is there: it may be somebody's.
  BenchFolder(fs::path path, bool owner) : path_(std::move(path)), owner_(owner) {
    if (owner_ && fs::exists(path_))
      throw Error(
          Exit::kCannotCreate,
          fmt::format("[bench] {} -> nothing there, for pictures that are only measured -> a "
                      "bench that was killed, or a folder of yours: remove or rename it",
                      path_.string()));
  }
  ~BenchFolder() {
    std::error_code left;
    if (owner_) fs::remove_all(path_, left);
  }
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  bool owner_;
};

std::string bench_table(const Json& bench) {
  std::vector<TableRow> rows = {{"stage", "seconds", "expected", "GFLOP", "GFLOP/s"}};
  for (const auto& [stage, values] : bench["stages"].items()) {
    const auto seconds = values["seconds"].get<double>(), flops = values["flops"].get<double>();
    rows.push_back({stage, fmt::format("{:.3f}", seconds),
                    fmt::format("{:.3f}", values["predicted_seconds"].get<double>()),
                    fmt::format("{:.1f}", flops / 1e9),
                    seconds > 0 ? fmt::format("{:.1f}", flops / 1e9 / seconds) : "-"});
  }
  auto text = table(rows);
  for (const auto& [kind, bytes] : bench["sent_bytes"].items())
    text += fmt::format("sent by {}: {}\n", kind, human_bytes(bytes.get<double>()));
  return text + fmt::format("{} pictures, {:.1f} pictures/h\n", bench["pictures"].get<int64_t>(),
                            bench["images_per_hour"].get<double>());
}

}  // namespace

Exit calibrate_command(const BenchOptions& options, const Launched& launched) {
  const Process process(launched, {.deadline = std::chrono::minutes(10)});
  try {
    return calibrate(options, process);
  } catch (...) {
    process.end_all_ranks(Failure::of(std::current_exception()));
  }
}

Exit bench_command(Job job, const BenchOptions& options, const Launched& launched,
                   StopSignal& stop) {
  job.output.path.resolved += ".bench";
  const BenchFolder folder(job.output.path.resolved, launched.rank == 0);
  const auto exit = render_command(job, {.quiet = true, .says_where = false}, launched, stop);
  if (launched.rank > 0) return exit;
  std::ifstream in(folder.path() / "report.json");
  const auto report = Json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (exit != Exit::kDone || report.is_discarded()) return exit;
  const auto bench = bench_json(report);
  std::cout << (options.json ? bench.dump(2) + "\n" : bench_table(bench));
  return exit;
}

}  // namespace trireme
