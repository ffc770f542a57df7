// Clusters: devices by name, who stands on which node, and what contradicts itself.
#include "parallel/plan/cluster.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

std::string only_place(const Cluster& cluster) {
  const auto found = contradictions(cluster);
  EXPECT_EQ(found.size(), 1u);
  return found.empty() ? "" : found.front().place + ": " + found.front().message;
}

TEST(Devices, AllNamesAreKnownAndMakeClusters) {
  for (const auto& name : device_names()) {
    const auto device = device_by_name(name);
    ASSERT_TRUE(device) << name;
    for (const int count : {1, 2, 12})
      EXPECT_TRUE(contradictions(cluster_of(*device, count)).empty()) << name << " " << count;
  }
  EXPECT_FALSE(device_by_name("abacus"));
}

TEST(Devices, AreKnownByTheNamesThatCudaGives) {
  EXPECT_EQ(device_by_name("NVIDIA H200")->name, "h200");
  EXPECT_EQ(device_by_name("NVIDIA A100-SXM4-80GB")->name, "a100-80");
  EXPECT_EQ(device_by_name("NVIDIA A100-PCIE-40GB")->name, "a100-40");
  EXPECT_EQ(device_by_name("NVIDIA L40S")->name, "l40s");
  EXPECT_EQ(device_by_name("NVIDIA GeForce RTX 4090")->name, "4090");
}

TEST(Devices, ACpuWithMoreThreadsMultipliesFasterAndCopiesNoFasterForEver) {
  auto one = device_by_name("cpu")->rates, many = one;
  EXPECT_TRUE(device_by_name("cpu")->on_host());
  scale_to_threads(many, 64);
  EXPECT_EQ(many.matmul, 64 * one.matmul);
  EXPECT_LT(many.copy, 8 * one.copy);
}

TEST(Cluster, CountsRanksNodeByNode) {
  const auto cluster = cluster_of(*device_by_name("h100"), 20);
  ASSERT_EQ(cluster.nodes.size(), 3u);
  EXPECT_EQ(cluster.ranks(), 20);
  EXPECT_EQ(cluster.node_of(7), 0);
  EXPECT_EQ(cluster.node_of(8), 1);
  EXPECT_EQ(cluster.node_of(19), 2);
  EXPECT_EQ(cluster.link(0, 7), cluster.nodes.front().link);
  EXPECT_EQ(cluster.link(7, 8), cluster.between);
  EXPECT_THROW(cluster.node_of(20), std::out_of_range);
}

TEST(Contradictions, NameThePlaceAndTheNumbers) {
  const auto good = cluster_of(*device_by_name("h100"), 16);
  auto bad = good;
  bad.nodes[1].device.rates.matmul = 0;
  EXPECT_EQ(only_place(bad), "nodes.1.device.matmul: 0 -> above 0");
  bad = good;
  bad.nodes[0].device.memory_bytes = 0;
  EXPECT_EQ(only_place(bad), "nodes.0.device.memory: 0 bytes -> more than none");
  bad = good;
  bad.nodes[0].device.rates.load = 1e11;
  EXPECT_NE(only_place(bad).find("1e+11 bytes/s -> at most 1.2e+10"), std::string::npos);
  bad = good;
  bad.nodes[0].link.hidden = 1.5;
  EXPECT_EQ(only_place(bad), "nodes.0.link.hidden: 1.5 -> from 0 to 1");
  EXPECT_EQ(only_place({}), "nodes: none -> one at least");
}

TEST(Contradictions, WhatLeavesANodePassesItsOwnLinks) {
  auto cluster = cluster_of(*device_by_name("l40"), 16);
  cluster.between.rate = 50e9;
  EXPECT_NE(
      only_place(cluster).find("5e+10 bytes/s -> at most 1.4e+10, the rate inside node node0"),
      std::string::npos);
}

}  // namespace
}  // namespace trireme
