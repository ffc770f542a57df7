#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "launch/commands.h"
#include "launch/host.h"
#include "src/calibration/learn.h"
#include "src/config/describe_job.h"
#include "src/config/read_cluster.h"
#include "src/output/commit.h"
#include "src/render/planning.h"
#include "src/render/running_cluster.h"
#include "src/render/set_up.h"
#include "src/report/plan_report.h"
#include "src/report/table.h"

namespace trireme {
namespace {

// The nodes that hold the first ranks.
Cluster first_ranks(Cluster cluster, int ranks) {
  std::vector<ClusterNode> nodes;
  for (auto& node : cluster.nodes) {
    if (ranks == 0) break;
    node.devices = std::min(node.devices, ranks);
    ranks -= node.devices;
    nodes.push_back(node);
  }
  if (ranks > 0)
    throw Error(Exit::kUsage,
                fmt::format("[--ranks] {} more than the cluster has devices -> at most those -> a "
                            "larger number than the file describes",
                            ranks));
  cluster.nodes = std::move(nodes);
  return cluster;
}

// Of the lanes that --trace writes.
constexpr int kTracedBatches = 8;

// A file, devices by name, or this machine.
Cluster planned_cluster(const PlanOptions& options) {
  if (!options.cluster.empty()) {
    if (const auto device = device_by_name(options.cluster))
      return cluster_of(*device, options.ranks.value_or(1));
    if (!std::filesystem::exists(options.cluster))
      throw Error(Exit::kMissingInput,
                  fmt::format("[--cluster] {} -> a cluster file, or one of {} -> mistyped, or the "
                              "file is elsewhere",
                              options.cluster, fmt::join(device_names(), ", ")));
    auto cluster = read_cluster(options.cluster);
    return options.ranks ? first_ranks(std::move(cluster), *options.ranks) : cluster;
  }
  const int ranks = options.ranks.value_or(1);
  return one_host(host_name(), ranks, usable_memory() / ranks, std::max(1, usable_cores() / ranks),
                  calibrated_cluster());
}

void write_trace(const std::string& file, const PlannedJob& planned, const Plan& plan) {
  const auto trace = predicted_trace(planned.request.workload, plan.chosen.layout,
                                     planned.request.cluster, kTracedBatches);
  write_atomically(file, to_chrome_json(std::vector<NamedTrace>{{"predicted", trace}}));
}

}  // namespace

Exit learn_command(const PlanOptions& options) {
  const auto file = options.cluster.empty() ? calibration_file() : options.cluster;
  auto cluster = std::filesystem::exists(file)
                     ? read_cluster(file)
                     : one_host(host_name(), 1, usable_memory(), 1, std::nullopt);
  std::ifstream in(options.learn);
  if (!in)
    throw Error(Exit::kMissingInput,
                fmt::format("[--learn] {} -> a report.json -> no such file, or "
                            "one that may not be read",
                            options.learn));
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const bool on_gpu = text.find("\"device\": \"cuda") != std::string::npos;
  if (on_gpu && cluster.device(0).on_host())
    throw Error(
        Exit::kMissingInput,
        fmt::format("[--learn] {} -> the rates of a GPU to begin with -> run `trireme bench "
                    "--calibrate` first, or name a cluster file",
                    file));
  std::vector<TableRow> rows = {{"rate", "before", "now"}};
  for (const auto& [rate, before, after] : learn(cluster, text, options.learn))
    rows.push_back({rate, fmt::format("{:.3g}", before), fmt::format("{:.3g}", after)});
  if (const auto folder = std::filesystem::path(file).parent_path(); !folder.empty())
    std::filesystem::create_directories(folder);
  write_atomically(file, to_yaml(cluster, "Refined by `trireme plan --learn`."));
  std::cout << table(rows);
  std::cerr << "written to " << file << '\n';
  return Exit::kDone;
}

Exit plan_command(const Job& job, const PlanOptions& options) {
  const auto cluster = planned_cluster(options);
  check_layout(job, cluster.ranks());
  const bool on_cpu = cluster.device(0).on_host();
  const Inputs inputs(for_device(job, on_cpu ? at::kCPU : at::kCUDA));
  const auto planned = plan_job(inputs, cluster, options.candidates);
  if (const auto* nothing = std::get_if<NothingFits>(&planned.result)) {
    if (options.json) std::cout << to_json(*nothing);
    throw nothing_fits_error(*nothing);
  }
  const auto& plan = std::get<Plan>(planned.result);
  for (const auto& [component, kind] : planned.quantized)
    std::cerr << fmt::format(
        "[plan] {} -> quantized to {}, as the job allows -> nothing fits without\n", component,
        to_string(kind));
  if (!options.trace.empty()) write_trace(options.trace, planned, plan);
  std::cout << (options.json ? to_json(plan, planned.request)
                             : in_words(plan, planned.request, options.explain));
  return Exit::kDone;
}

}  // namespace trireme
