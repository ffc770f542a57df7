// Cluster files: what they say, that written ones read back the same, and what is refused with
// line, column and numbers.
#include "src/config/read_cluster.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/error_of.h"

namespace trireme {
namespace {

std::string refused(const std::string& text) {
  const auto refusal = error_of([&] { parse_cluster(text, "c.yaml"); });
  EXPECT_EQ(refusal.exit, Exit::kBadJob);
  return refusal.text;
}

// The first line of what is refused.
std::string first_line(const std::string& text) {
  const auto all = refused(text);
  return all.substr(0, all.find('\n'));
}

TEST(ClusterFiles, ADeviceIsLikeAKnownOneAndSaysWhatIsDifferent) {
  const auto cluster = parse_cluster(R"(
name: two mixed nodes
nodes:
  - {count: 2, devices: 8, device: {like: l40, memory_GB: 45, matmul_TFLOPs: 70}}
  - name: small
    devices: 4
    device: {like: 4090}
    link: {GBps: 10, hidden: 0.5, all_to_all_GBps: {2: 9, 4: 5}}
between: {latency_us: 25, GBps: 2.5}
)",
                                     "c.yaml");
  const auto l40 = *device_by_name("l40");
  EXPECT_EQ(cluster.name, "two mixed nodes");
  ASSERT_EQ(cluster.nodes.size(), 3u);
  EXPECT_EQ(cluster.ranks(), 20);
  EXPECT_EQ(cluster.nodes[0].name, "node0");
  EXPECT_EQ(cluster.nodes[1].name, "node1");
  EXPECT_EQ(cluster.nodes[1].device.memory_bytes, 45'000'000'000);
  EXPECT_DOUBLE_EQ(cluster.nodes[1].device.rates.matmul, 70e12);
  EXPECT_DOUBLE_EQ(cluster.nodes[1].device.rates.convolution, l40.rates.convolution / 2);
  EXPECT_EQ(cluster.nodes[1].device.rates.attention, l40.rates.attention);
  EXPECT_EQ(cluster.nodes[1].link, cluster_of(l40, 2).nodes.front().link);
  EXPECT_EQ(cluster.nodes[2].name, "small");
  EXPECT_DOUBLE_EQ(cluster.nodes[2].link.hidden, 0.5);
  EXPECT_DOUBLE_EQ(cluster.nodes[2].link.all_to_all.at(4), 5e9);
  EXPECT_DOUBLE_EQ(cluster.between.latency, 25e-6);
  EXPECT_DOUBLE_EQ(cluster.between.rate, 2.5e9);
}

void expect_near(const std::map<int64_t, double>& a, const std::map<int64_t, double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [key, value] : a) EXPECT_NEAR(value, b.at(key), value * 1e-9);
}

TEST(ClusterFiles, WhatIsWrittenReadsBack) {
  for (const auto& name : device_names()) {
    auto cluster = cluster_of(*device_by_name(name), 12);
    cluster.name = "a \"quoted\" name: # 1";
    const auto again = parse_cluster(to_yaml(cluster, "measured\non a machine"), "c.yaml");
    EXPECT_EQ(again.name, cluster.name);
    ASSERT_EQ(again.nodes.size(), cluster.nodes.size());
    for (size_t i = 0; i < cluster.nodes.size(); ++i) {
      const auto &a = cluster.nodes[i], &b = again.nodes[i];
      EXPECT_EQ(a.name, b.name);
      EXPECT_EQ(a.devices, b.devices);
      EXPECT_EQ(a.device.memory_bytes, b.device.memory_bytes);
      EXPECT_NEAR(a.device.rates.matmul, b.device.rates.matmul, a.device.rates.matmul * 1e-9);
      EXPECT_NEAR(a.device.rates.launch, b.device.rates.launch, 1e-15);
      EXPECT_NEAR(a.device.rates.load, b.device.rates.load, 1);
      EXPECT_EQ(a.device.on_host(), b.device.on_host());
      expect_near(a.device.rates.attention, b.device.rates.attention);
      EXPECT_NEAR(a.link.rate, b.link.rate, 1);
      EXPECT_EQ(a.link.all_to_all.size(), b.link.all_to_all.size());
    }
    EXPECT_NEAR(again.between.rate, again.nodes.size() > 1 ? cluster.between.rate : 1.1e9, 1e11);
  }
}

TEST(ClusterFiles, MistakesAreNamedWithLineAndColumn) {
  EXPECT_EQ(first_line("nodes:\n  - devices: 8\n    device: {like: h20}\n"),
            "c.yaml:3:20: [nodes.0.device.like] h20 -> one of h200, h100, a100-80, a100-40, l40s, "
            "l40, l20, 4090, 3090, cpu -> did you mean h200?");
  EXPECT_EQ(first_line("nodes:\n  - {devices: 0, device: {like: h200}}\n"),
            "c.yaml:2:15: [nodes.0.devices] 0 -> from 1 to 65536");
  EXPECT_NE(refused("nodes: [{devices: 1, device: {like: h200, memory_Gb: 3}}]")
                .find("[nodes.0.device.memory_Gb] unknown key -> did you mean memory_GB?"),
            std::string::npos);
  EXPECT_NE(refused("nodes: [{devices: 1}]").find("[nodes.0.device] not given"), std::string::npos);
  EXPECT_NE(refused("nodes: []").find("[nodes] an empty list -> a list"), std::string::npos);
  EXPECT_NE(refused("name: x").find("[nodes] not given"), std::string::npos);
  EXPECT_NE(refused("- 1").find("[cluster] a list -> keys with values"), std::string::npos);
  EXPECT_NE(refused("nodes: [{device: {name: mine, memory_GB: 8}}]")
                .find("[nodes.0.device.matmul_TFLOPs] not given"),
            std::string::npos);
  EXPECT_NE(refused("nodes: [{device: {like: h100, attention_TFLOPs: {wide: 3}}}]")
                .find("[nodes.0.device.attention_TFLOPs.wide] the key -> a whole number"),
            std::string::npos);
}

TEST(ClusterFiles, ContradictionsAreRefusedOnceWithTheNumbers) {
  const auto text = refused(
      "nodes:\n"
      "  - {count: 3, devices: 8, device: {like: l40, load_GBps: 40}}\n"
      "between: {GBps: 100}\n");
  EXPECT_NE(text.find("c.yaml:2:36: [nodes.0.device.load] 4e+10 bytes/s -> at most 1.2e+10"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("[between.rate] 1e+11 bytes/s -> at most 1.4e+10"), std::string::npos);
  for (const auto* once : {"device.load", "between.rate"})
    EXPECT_EQ(text.find(once), text.rfind(once)) << text;
}

TEST(ClusterFiles, ThoseOfTheRepositoryAreGood) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("configs/clusters")) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_GT(read_cluster(entry.path().string()).ranks(), 0) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 16);
}

}  // namespace
}  // namespace trireme
