#include "parallel/host_memory.h"

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <thread>

#include "parallel/layers/linear_map.h"

namespace trireme {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kSlack = 8192;  // malloc gives whole pages where much is asked for

at::Tensor mebibytes(int64_t n) {
  return at::empty({n * kMiB}, at::kByte);
}

void expect_near(int64_t actual, int64_t expected) {
  EXPECT_GE(actual, expected);
  EXPECT_LE(actual, expected + kSlack);
}

TEST(HostMemory, CountsATensorFromItsMakingToTheEndOfItsLastView) {
  auto& memory = HostMemory::counted();
  const auto before = memory.bytes();
  auto tensor = mebibytes(3);
  expect_near(memory.bytes() - before, 3 * kMiB);
  auto view = tensor.narrow(0, 5, 7);
  tensor.reset();
  expect_near(memory.bytes() - before, 3 * kMiB);
  view.reset();
  EXPECT_EQ(memory.bytes(), before);
}

TEST(HostMemory, PeakIsTheMostSinceTheMark) {
  auto& memory = HostMemory::counted();
  const auto before = memory.bytes();
  const auto kept = mebibytes(1);
  memory.mark();
  EXPECT_EQ(memory.peak(), memory.bytes());
  { const auto a = mebibytes(4), b = mebibytes(2); }
  { const auto c = mebibytes(5); }
  expect_near(memory.peak() - before, 7 * kMiB);
  memory.mark();
  expect_near(memory.peak() - before, 1 * kMiB);
}

TEST(HostMemory, WhatWasAllocatedBeforeTheFirstUseIsNeverCounted) {
  auto& memory = HostMemory::counted();
  const auto before = memory.bytes();
  auto old = c10::GetDefaultCPUAllocator()->allocate(kMiB);  // as it was before
  EXPECT_EQ(memory.bytes(), before);
  old.clear();
  EXPECT_EQ(memory.bytes(), before);
}

TEST(HostMemory, RawMemoryMovedAndClonedMemoryCountOnce) {
  auto& memory = HostMemory::counted();
  auto& allocator = *c10::GetCPUAllocator();
  const auto before = memory.bytes();
  void* raw = allocator.raw_allocate(kMiB);
  expect_near(memory.bytes() - before, kMiB);
  allocator.raw_deallocate(raw);
  EXPECT_EQ(memory.bytes(), before);

  auto data = allocator.allocate(kMiB);
  auto moved = std::move(data);
  auto copy = allocator.clone(moved.get(), kMiB);
  expect_near(memory.bytes() - before, 2 * kMiB);
  moved.clear();
  copy.clear();
  EXPECT_EQ(memory.bytes(), before);
  EXPECT_EQ(allocator.allocate(0).get(), nullptr);
  EXPECT_EQ(memory.bytes(), before);
}

// oneDNN gets its memory from ATen's allocator: the packed weight counts as the plain one does.
TEST(HostMemory, PackedWeightsCount) {
  auto& memory = HostMemory::counted();
  const auto before = memory.bytes();
  {
    const LinearMap map(at::ones({1024, 512}), at::Tensor());  // 2 MiB
    EXPECT_GE(memory.bytes() - before, 2 * kMiB);
    EXPECT_LE(memory.bytes() - before, 2 * kMiB + kMiB / 4);
    map(at::ones({16, 512}));
  }
  EXPECT_LE(memory.bytes() - before, kMiB / 4);  // what oneDNN keeps with the product
}

TEST(HostMemory, ThreadsLoseNothing) {
  auto& memory = HostMemory::counted();
  const auto before = memory.bytes();
  memory.mark();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      std::vector<at::Tensor> kept(16);
      for (int i = 0; i < 20000; ++i) kept[i % 16] = at::empty({1 + i % 1000});
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(memory.bytes(), before);
  EXPECT_GE(memory.peak() - before, 16 * 1000);
  EXPECT_LE(memory.peak() - before, 4 * 17 * 4200);
}

}  // namespace
}  // namespace trireme
