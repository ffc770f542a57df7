#include "parallel/tensor_source.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

TEST(Weights, AScopeReadsBelowItsPrefix) {
  const auto x = integers({4, 3});
  const auto weights = memory_weights({{"blocks.0.fc.weight", x}}) / "blocks" / 0 / "fc";
  EXPECT_TRUE(weights.has("weight"));
  EXPECT_FALSE(weights.has("bias"));
  expect_same_bits(weights.read("weight", {4, 3}), x);
  expect_same_bits(weights.read("weight", {4, 3}, 0, {1, 2}), x.narrow(0, 1, 2));
  expect_same_bits(weights.read("weight", {4, 3}, 1, {2, 1}), x.narrow(1, 2, 1));
  EXPECT_FALSE(weights.read_if(false, "bias", {4}).defined());
}

TEST(Weights, AnotherShapeIsBadData) {
  const auto weights = memory_weights({{"a.weight", integers({4, 3})}});
  try {
    (weights / "a").read("weight", {4, 5});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadData);
    EXPECT_STREQ(error.what(),
                 "[weights] memory: a.weight has shape [4, 3] -> [4, 5] is needed -> the file does "
                 "not belong to the config.json beside it");
  }
}

TEST(Weights, StackedSlicesLieBelowEachOther) {
  const auto q = integers({4, 3}, 1), k = integers({4, 3}, 2);
  const auto weights = memory_weights({{"q.weight", q}, {"k.weight", k}});
  const std::array scopes{weights / "q", weights / "k"};
  expect_same_bits(read_stacked(scopes, "weight", {4, 3}, 0, {1, 2}),
                   at::cat({q.narrow(0, 1, 2), k.narrow(0, 1, 2)}));
  expect_same_bits(read_stacked(scopes, "weight", {4, 3}, 1, {1, 2}),
                   at::cat({q.narrow(1, 1, 2), k.narrow(1, 1, 2)}));
}

TEST(Weights, WhatNobodyReadIsKnown) {
  const auto source =
      std::make_shared<MemorySource>(std::map<std::string, at::Tensor>{{"a.weight", integers({1})},
                                                                       {"b.weight", integers({1})},
                                                                       {"bc.weight", integers({1})},
                                                                       {"table", integers({1})}});
  const Weights weights(source);
  (weights / "a").read("weight", {1});
  (weights / "b").elsewhere();
  (weights / "table").elsewhere();  // a tensor by itself
  EXPECT_EQ(source->unused(), std::vector<std::string>{"bc.weight"});
}

TEST(RandomSource, GivesTheSameTensorForTheSameName) {
  const auto x = random_weights(3).read("fc.weight", {64, 256});
  expect_same_bits(random_weights(3).read("fc.weight", {64, 256}, 0, {8, 2}), x.narrow(0, 8, 2));
  EXPECT_FALSE(at::equal(x, random_weights(3).read("fd.weight", {64, 256})));
  EXPECT_FALSE(at::equal(x, random_weights(4).read("fc.weight", {64, 256})));
  EXPECT_NEAR(x.std().item<float>(), 1.0 / 16, 0.002);
  EXPECT_NEAR(random_weights().read("norm.weight", {512}).mean().item<float>(), 1.0, 0.05);
}

TEST(RandomSource, KeepsToTheFirstShapeAskedFor) {
  const auto weights = random_weights();
  weights.read("weight", {2, 3});
  EXPECT_THROW(weights.read("weight", {3, 2}), Error);
}

}  // namespace
}  // namespace trireme
