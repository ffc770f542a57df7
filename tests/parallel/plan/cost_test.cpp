// What operations cost: the formulas of talk and efforts on numbers that can be done in the head,
// and what a layout's costs are made of.
#include "parallel/plan/cost.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/parallel/plan/workloads.h"

namespace trireme {
namespace {

constexpr double kFine = 1e-9;

// Ten FLOP/s and one byte a second, so that seconds are counts.
Device simple_device() {
  return {.name = "simple",
          .memory_bytes = 1000,
          .rates = {.matmul = 10,
                    .convolution = 10,
                    .attention = {{64, 10}},
                    .copy = 1e12,
                    .host_to_device = 1e12,
                    .traffic = 0,
                    .load = 1}};
}

Cluster nodes_of(int nodes, int devices) {
  Cluster cluster{.name = "simple"};
  cluster.nodes.assign(nodes, {.name = "node",
                               .devices = devices,
                               .device = simple_device(),
                               .link = {.latency = 1, .rate = 100, .all_to_all = {{4, 10}}}});
  cluster.between = {.latency = 5, .rate = 20};
  return cluster;
}

TEST(Talk, IsLatencyAndBytesOverTheRateOfItsKind) {
  const Talk inside(nodes_of(1, 4), {0, 0, 0, 0}, {0, 0, 0, 0});
  EXPECT_DOUBLE_EQ(inside.reduce_or_gather(300), 1 + 3);
  EXPECT_DOUBLE_EQ(inside.pass_on(300), 1 + 3);
  EXPECT_DOUBLE_EQ(inside.all_to_all(300), 1 + 30);
  EXPECT_DOUBLE_EQ(Talk().reduce_or_gather(300), 0);
}

// A ring leaves the node once; four of them share its link. Of an all-to-all among four ranks, two
// on each node, two thirds leave, from all eight ranks of the node.
TEST(Talk, SharesWhatLiesBetweenNodes) {
  const auto cluster = nodes_of(2, 8);
  const std::vector<int> group{0, 0, 1, 1}, all{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
  const Talk alone(cluster, group, group), shared(cluster, group, all);
  EXPECT_DOUBLE_EQ(alone.pass_on(300), 5 + 300 / 20.0);
  EXPECT_DOUBLE_EQ(shared.pass_on(300), 5 + 300 / (20.0 / 4));
  EXPECT_DOUBLE_EQ(alone.all_to_all(300), 5 + 300 / 10.0);  // the node's own link is slower
  EXPECT_DOUBLE_EQ(shared.all_to_all(300), 5 + 300 * 8 * (2 / 3.0) / 20);
}

// One connection of the four reaches 20; what fits through together is known from the trades.
TEST(Talk, OneConnectionNeedNotFillALink) {
  auto cluster = nodes_of(2, 8);
  cluster.between.all_to_all = {{4, 60}};
  const std::vector<int> group{0, 0, 1, 1}, all{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_DOUBLE_EQ(Talk(cluster, group, group).pass_on(300), 5 + 300 / 20.0);
  EXPECT_DOUBLE_EQ(Talk(cluster, group, all).pass_on(300), 5 + 300 / (60.0 / 4));
}

TEST(SideBySide, TheShorterHidesInPart) {
  EXPECT_DOUBLE_EQ(side_by_side(5, 3, 1), 5);
  EXPECT_DOUBLE_EQ(side_by_side(3, 5, 0), 8);
  EXPECT_DOUBLE_EQ(side_by_side(3, 5, 0.5), 6.5);
}

Setting place_on(const Rates& rates, int64_t rows) {
  return {.rates = rates, .rows = rows, .image_tokens = 1, .width = 1};
}

TEST(Effort, OfAProductOfFewRowsIsSlowOrReadsWeights) {
  auto rates = simple_device().rates;
  const Layer layer{.every = {{.in = 5, .out = 7, .bias = false}}};
  EXPECT_DOUBLE_EQ(effort_every(layer, place_on(rates, 3)).products, 2 * 3 * 5 * 7 / 10.0);
  rates.half_rows = 3;
  EXPECT_DOUBLE_EQ(effort_every(layer, place_on(rates, 3)).products, 2 * 2 * 3 * 5 * 7 / 10.0);
  rates.copy = 1;
  const auto effort = effort_every(layer, place_on(rates, 3));
  EXPECT_DOUBLE_EQ(effort.products + effort.weights, 4.0 * (5 * 7 + 3 * (5 + 7)));
  auto half = place_on(rates, 3);
  half.storage = Storage::kInt8;
  const auto codes = effort_every(layer, half);
  EXPECT_NEAR(codes.products + codes.weights, std::max(42.0, 5 * 7 + 4.0 * 3 * (5 + 7)), kFine);
}

// The kernel for heads of 96 stands in for heads of 72; a CPU has no such steps.
TEST(Effort, AttentionRunsOddHeadsAsTheNextLargerOnGpusAlone) {
  auto rates = simple_device().rates;
  rates.attention = {{64, 100}, {128, 140}};
  EXPECT_DOUBLE_EQ(attention_rate(rates, 64, 1), 100);
  EXPECT_DOUBLE_EQ(attention_rate(rates, 72, 1), 120 * 72 / 96.0);
  EXPECT_DOUBLE_EQ(attention_rate(rates, 256, 1), 140);
  rates.half_keys = 100;
  EXPECT_DOUBLE_EQ(attention_rate(rates, 64, 100), 50);
  rates.host_to_device = 0;
  EXPECT_DOUBLE_EQ(attention_rate(rates, 72, 100), 105 / 2.0);
}

TEST(Effort, AGpuHidesLaunchesAndACpuDoesThemToo) {
  Effort effort{.products = 5, .launches = 7, .sums = 1};
  auto rates = simple_device().rates;
  finish(effort, rates);
  EXPECT_DOUBLE_EQ(effort.seconds(), 7);
  effort.launches = 3;
  finish(effort, rates);
  EXPECT_DOUBLE_EQ(effort.seconds(), 6);
  rates.host_to_device = 0;
  finish(effort, rates);
  EXPECT_DOUBLE_EQ(effort.seconds(), 9);
}

// 64 tokens, one head of 64: 2^20 FLOPs of attention on each of four ranks that hold 16 tokens.
// Three times keys and values, 2 x 16 x 64 x 4 bytes, go on while a quarter of it is computed.
TEST(Effort, ARingHidesWhatItCan) {
  auto cluster = nodes_of(1, 4);
  auto& rates = cluster.nodes.front().device.rates;
  rates.attention = {{64, 1 << 18}};
  cluster.nodes.front().link = {.latency = 0, .rate = 1 << 13};
  const std::vector<int> nodes(4, 0);
  const auto effort = [&] {
    Setting place{.rates = rates, .at = {.ring = {0, 4}}, .image_tokens = 64, .width = 64};
    place.ring = Talk(cluster, nodes, nodes);
    return effort_every({.attention = {{.heads = 1, .head_dim = 64}}}, place);
  };
  EXPECT_EQ(effort().flops, 4 * 16 * 64 * 64);
  EXPECT_DOUBLE_EQ(effort().attention, 1);
  EXPECT_DOUBLE_EQ(effort().passing, 3);                // a second each
  EXPECT_DOUBLE_EQ(effort().unhidden, 3 * (1 - 0.25));  // behind a quarter of a second
  EXPECT_DOUBLE_EQ(effort().sent.send, 3 * (1 << 13));
  cluster.nodes.front().link.rate = 1 << 16;
  EXPECT_NEAR(effort().unhidden, 0, kFine);
  cluster.nodes.front().link.hidden = 0;
  EXPECT_DOUBLE_EQ(effort().unhidden, 3 / 8.0);
}

Layout layout_over(MeshShape mesh) {
  Layout layout{.replica_size = mesh.ranks(), .mesh = mesh};
  layout.transformer.resize(mesh.ranks());
  std::iota(layout.transformer.begin(), layout.transformer.end(), 0);
  layout.vae = {mesh.ranks() - 1};
  return layout;
}

class CostsOfLayouts : public testing::Test {
 protected:
  OperationCosts costs(MeshShape mesh) const {
    return OperationCosts(work, work.shapes.front(), layout_over(mesh), cluster, 0);
  }
  const Workload work = medium_job(1);
  const Cluster cluster = cluster_of(*device_by_name("h100"), 16);
};

TEST_F(CostsOfLayouts, TermsAddUpToWhatTheTableSays) {
  const auto of = costs({.guidance = 2, .pipeline = 2, .sequence = 2, .tensor = 2});
  for (const int rank : {0, 5, 15}) {
    EXPECT_NEAR(sum(of.forward(rank)), of.seconds(Op::Kind::kForward, rank), kFine);
    EXPECT_NEAR(sum(of.begin(rank)), of.seconds(Op::Kind::kBegin, rank), kFine);
    EXPECT_NEAR(sum(of.encode(rank)), of.seconds(Op::Kind::kEncode, rank), kFine);
    EXPECT_NEAR(sum(of.decode(rank)), of.seconds(Op::Kind::kDecode, rank), kFine);
  }
  EXPECT_GT(sum(of.encode(0)), 0);
  EXPECT_EQ(sum(of.encode(1)), 0);
  EXPECT_GT(sum(of.decode(15)), 0);
  EXPECT_EQ(sum(of.decode(0)), 0);
}

TEST_F(CostsOfLayouts, MoreRanksDoLessAndTalkMore) {
  const auto one = costs({}), two = costs({.tensor = 2}), eight = costs({.tensor = 8});
  const auto products = [](const OperationCosts& c) {
    return c.effort(OperationCosts::kForward, 0).products;
  };
  EXPECT_NEAR(products(two), products(one) / 2, products(one) * 0.01);
  EXPECT_NEAR(products(eight), products(one) / 8, products(one) * 0.01);
  EXPECT_EQ(one.effort(OperationCosts::kForward, 0).sums, 0);
  EXPECT_GT(eight.effort(OperationCosts::kForward, 0).sums,
            two.effort(OperationCosts::kForward, 0).sums);
}

// Two nodes of eight: a group inside a node talks faster than one across them.
TEST_F(CostsOfLayouts, GroupsAcrossNodesTalkOverWhatLiesBetween) {
  const auto inside = costs({.guidance = 2, .tensor = 8}), across = costs({.tensor = 16});
  EXPECT_GT(across.effort(OperationCosts::kForward, 0).sums,
            3 * inside.effort(OperationCosts::kForward, 0).sums);
}

// The slowest device of a stage says how long it takes.
TEST_F(CostsOfLayouts, AStageWaitsForItsSlowestDevice) {
  auto mixed = cluster;
  mixed.nodes[1].device.rates = device_by_name("l40")->rates;
  const auto mesh = MeshShape{.pipeline = 2, .sequence = 8};
  const OperationCosts of(work, work.shapes.front(), layout_over(mesh), mixed, 0);
  EXPECT_GT(of.seconds(Op::Kind::kForward, 8), 2 * of.seconds(Op::Kind::kForward, 0));
}

TEST_F(CostsOfLayouts, WhatWaitsOnTheHostIsBroughtForEveryBatch) {
  auto layout = layout_over({});
  const auto begin = [&](Offload offload) {
    layout.offload = offload;
    const OperationCosts of(work, work.shapes.front(), layout, cluster, 0);
    return of.seconds(Op::Kind::kBegin, 0);
  };
  const double weights = 24 * (12.0 * 2 + 12) * 1536 * 1536 * 2;  // of the blocks, bytes
  const double over_pcie = begin(Offload::kModel) - begin(Offload::kNone);
  EXPECT_NEAR(over_pcie, weights / 12e9, 0.01 * weights / 12e9);
}

}  // namespace
}  // namespace trireme
