#include "src/render/running_cluster.h"

#include <map>

#include "src/render/gather.h"

namespace trireme {
namespace {

// What is measured of a device by this name, or else of the first.
Device rated(const std::string& name, const std::optional<Cluster>& calibrated) {
  if (!calibrated) return device_by_name(name).value_or(*device_by_name("cpu"));
  for (const auto& node : calibrated->nodes)
    if (node.device.name == name) return node.device;
  return calibrated->nodes.front().device;
}

// A CPU's rates are those of one thread.
Device device_of(const std::string& name, int threads, const std::optional<Cluster>& calibrated) {
  auto device = rated(name, calibrated);
  if (device.on_host()) scale_to_threads(device.rates, threads);
  return device;
}

Link link_of(const std::optional<Cluster>& calibrated, const Device& device, int ranks) {
  const bool measured = calibrated && calibrated->nodes.front().link.rate > 0;
  return measured ? calibrated->nodes.front().link : cluster_of(device, ranks).nodes.front().link;
}

}  // namespace

Cluster one_host(const std::string& name, int ranks, int64_t bytes_a_rank, int threads_a_rank,
                 const std::optional<Cluster>& calibrated) {
  auto device = device_of("cpu", threads_a_rank, calibrated);
  device.memory_bytes = bytes_a_rank;
  return {.name = name,
          .nodes = {{.name = name,
                     .devices = ranks,
                     .device = device,
                     .link = link_of(calibrated, device, ranks)}}};
}

Cluster running_cluster(const Machine& machine, const std::optional<Cluster>& calibrated) {
  const auto hosts = gather_texts(machine.world, machine.host);
  const auto devices = gather_texts(machine.world, machine.device_name);
  const auto memories = gather_texts(machine.world, std::to_string(machine.memory_bytes));
  Cluster cluster{.name = hosts.front()};
  for (size_t rank = 0; rank < hosts.size(); ++rank) {
    auto device = device_of(devices[rank], machine.threads, calibrated);
    device.name = devices[rank];
    device.memory_bytes = std::stoll(memories[rank]);
    const bool same = rank > 0 && hosts[rank] == hosts[rank - 1] &&
                      device.name == cluster.nodes.back().device.name &&
                      device.memory_bytes == cluster.nodes.back().device.memory_bytes;
    if (same) {
      ++cluster.nodes.back().devices;
      continue;
    }
    cluster.nodes.push_back({.name = hosts[rank],
                             .devices = 1,
                             .device = device,
                             .link = link_of(calibrated, device, 2)});
  }
  cluster.between = calibrated && calibrated->between.rate > 0
                        ? calibrated->between
                        : cluster_of(cluster.nodes.front().device, 16).between;
  return cluster;
}

}  // namespace trireme
