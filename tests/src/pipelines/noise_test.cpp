#include "src/pipelines/noise.h"

#include <gtest/gtest.h>

#include "tests/support/tensors.h"

namespace trireme {
namespace {

TEST(Noise, OfASampleIsTheSameInAnyCompany) {
  Noise together({3, 11, 7}), alone({11});
  for (int draw = 0; draw < 3; ++draw)
    expect_same_bits(together.draw(4, 6, 10)[1], alone.draw(4, 6, 10)[0]);
}

// torch.randn(1, 4, 2, 2, generator=torch.Generator("cpu").manual_seed(0)).flatten()[:4]
TEST(Noise, IsTorchsOwn) {
  const auto drawn = Noise({0}).draw(4, 2, 2).flatten().narrow(0, 0, 4);
  expect_close(drawn, at::tensor({-1.1258398f, -1.1523602f, -0.2505786f, -0.4338788f}), {1e-6, 0});
}

TEST(Noise, SeedsReachToTheEndOf64Bits) {
  Noise noise({~uint64_t{0}, ~uint64_t{0} - 1});
  const auto drawn = noise.draw(4, 4, 4);
  EXPECT_FALSE(at::equal(drawn[0], drawn[1]));
}

}  // namespace
}  // namespace trireme
