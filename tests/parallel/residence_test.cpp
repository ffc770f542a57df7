#include "parallel/residence.h"

#include <gtest/gtest.h>

#include "parallel/host_memory.h"

namespace trireme {
namespace {

TEST(Residence, TensorsLeaveAndComeBackAsTheyWere) {
  const auto whole = at::arange(12, at::kFloat).view({3, 4});
  const auto row = whole[1];  // shares its memory
  Residence residence;
  residence.add(whole);
  residence.add(row);
  EXPECT_EQ(residence.bytes(), 48);
  for (int time = 0; time < 2; ++time) {
    residence.leave();
    EXPECT_TRUE(residence.away());
    EXPECT_EQ(whole.storage().data(), nullptr);
    residence.fetch();
    residence.come();
    EXPECT_TRUE(at::equal(whole, at::arange(12, at::kFloat).view({3, 4})));
    EXPECT_EQ(row[2].item<float>(), 6);
  }
}

TEST(Residence, WhileTheyAreAwayTheirMemoryIsFree) {
  auto& memory = HostMemory::counted();
  constexpr int64_t kBytes = 8 << 20;
  const auto before = memory.bytes();
  const auto tensor = at::zeros({kBytes}, at::kByte);
  Residence residence;
  residence.add(tensor);
  residence.leave();  // the copy that waits is on this host, too
  EXPECT_LT(memory.bytes() - before, kBytes + (1 << 20));
  residence.come();
  EXPECT_GE(memory.bytes() - before, 2 * kBytes);
}

TEST(Residence, WhatNobodyKeepsIsForgotten) {
  Residence residence;
  residence.add(at::ones({4}));
  residence.add(at::Tensor());
  EXPECT_EQ(residence.bytes(), 0);
  residence.leave();
  residence.come();
}

TEST(Residence, LeavesThoughItWasOnlyFetched) {
  const auto tensor = at::ones({4});
  Residence residence;
  residence.add(tensor);
  residence.leave();
  residence.fetch();
  residence.leave();
  EXPECT_EQ(tensor.storage().data(), nullptr);
  residence.come();
  EXPECT_TRUE(at::equal(tensor, at::ones({4})));
}

}  // namespace
}  // namespace trireme
