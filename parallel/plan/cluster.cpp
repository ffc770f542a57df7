#include "parallel/plan/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace trireme {
namespace {

using Problems = std::vector<Contradiction>;

void expect_positive(Problems& problems, const std::string& place, double value) {
  if (!(value > 0)) problems.push_back({place, fmt::format("{} -> above 0", value)});
}

void expect_not_negative(Problems& problems, const std::string& place, double value) {
  if (!(value >= 0)) problems.push_back({place, fmt::format("{} -> 0 or more", value)});
}

void check(Problems& problems, const std::string& place, const Rates& rates) {
  expect_positive(problems, place + ".matmul", rates.matmul);
  expect_positive(problems, place + ".convolution", rates.convolution);
  expect_positive(problems, place + ".copy", rates.copy);
  expect_positive(problems, place + ".load", rates.load);
  if (rates.attention.empty())
    problems.push_back({place + ".attention", "nothing -> a rate for one head size at least"});
  for (const auto& [dim, rate] : rates.attention)
    expect_positive(problems, fmt::format("{}.attention.{}", place, dim), rate);
  const std::pair<const char*, double> others[] = {{"host_to_device", rates.host_to_device},
                                                   {"launch", rates.launch},
                                                   {"traffic", rates.traffic},
                                                   {"half_rows", rates.half_rows},
                                                   {"half_keys", rates.half_keys}};
  for (const auto& [name, value] : others)
    expect_not_negative(problems, fmt::format("{}.{}", place, name), value);
  if (rates.host_to_device > 0 && rates.load > rates.host_to_device)
    problems.push_back(
        {place + ".load",
         fmt::format("{:.3g} bytes/s -> at most {:.3g}, the rate from host to device -> what is "
                     "read from files comes that way",
                     rates.load, rates.host_to_device)});
}

void check(Problems& problems, const std::string& place, const Link& link) {
  expect_positive(problems, place + ".rate", link.rate);
  expect_not_negative(problems, place + ".latency", link.latency);
  expect_not_negative(problems, place + ".collective", link.collective);
  for (const auto& [ranks, rate] : link.all_to_all) {
    expect_positive(problems, fmt::format("{}.all_to_all.{}", place, ranks), rate);
    if (ranks < 2)
      problems.push_back({place + ".all_to_all", fmt::format("{} ranks -> 2 or more", ranks)});
  }
  if (!(link.hidden >= 0 && link.hidden <= 1))
    problems.push_back({place + ".hidden", fmt::format("{} -> from 0 to 1", link.hidden)});
}

void check(Problems& problems, const std::string& place, const ClusterNode& node) {
  if (node.devices < 1)
    problems.push_back({place + ".devices", fmt::format("{} -> 1 or more", node.devices)});
  if (node.device.memory_bytes <= 0)
    problems.push_back({place + ".device.memory",
                        fmt::format("{} bytes -> more than none", node.device.memory_bytes)});
  check(problems, place + ".device", node.device.rates);
  if (node.devices > 1) check(problems, place + ".link", node.link);
}

}  // namespace

int Cluster::ranks() const {
  int sum = 0;
  for (const auto& node : nodes) sum += node.devices;
  return sum;
}

int Cluster::node_of(int rank) const {
  int first = 0;
  for (size_t node = 0; node < nodes.size(); ++node) {
    first += nodes[node].devices;
    if (rank < first) return static_cast<int>(node);
  }
  throw std::out_of_range(
      fmt::format("[cluster] rank {} -> 0 to {} -> a layout of more ranks than the cluster has",
                  rank, ranks() - 1));
}

const Link& Cluster::link(int from, int to) const {
  const int node = node_of(from);
  return node == node_of(to) ? nodes[node].link : between;
}

std::vector<Contradiction> contradictions(const Cluster& cluster) {
  Problems problems;
  const auto& nodes = cluster.nodes;
  if (nodes.empty()) problems.push_back({"nodes", "none -> one at least"});
  for (size_t i = 0; i < nodes.size(); ++i) check(problems, fmt::format("nodes.{}", i), nodes[i]);
  if (nodes.size() < 2) return problems;
  check(problems, "between", cluster.between);
  const auto slower = [&](const ClusterNode& node) {
    return node.devices > 1 && node.link.rate < cluster.between.rate;
  };
  const auto found = std::find_if(nodes.begin(), nodes.end(), slower);
  if (found != nodes.end())
    problems.push_back(
        {"between.rate",
         fmt::format("{:.3g} bytes/s -> at most {:.3g}, the rate inside node {} -> "
                     "what leaves a node passes its own links; bits taken for bytes?",
                     cluster.between.rate, found->link.rate, found->name)});
  return problems;
}

}  // namespace trireme
