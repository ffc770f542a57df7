#include <gtest/gtest.h>

#include "src/nn/conv.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

TEST(UpsampleConv2d, EqualsUpsamplingAndThenConvolving) {
  const auto source = std::make_shared<RandomSource>();
  const UpsampleConv2d folded(Weights(source), 6, 5);
  const auto tensors = source->tensors();
  for (const auto& size : {std::pair{7, 4}, std::pair{1, 1}, std::pair{2, 9}}) {
    const auto x = normals({2, 6, size.first, size.second});
    const auto doubled = at::upsample_nearest2d(x, {2 * size.first, 2 * size.second});
    expect_close(folded(x), at::conv2d(doubled, tensors.at("weight"), tensors.at("bias"), 1, 1));
  }
}

TEST(UpsampleConv2d, IsExactOnWholeNumbers) {
  const auto weight = integers({3, 4, 3, 3}, 1), bias = integers({3}, 2);
  const UpsampleConv2d folded(memory_weights({{"weight", weight}, {"bias", bias}}), 4, 3);
  const auto x = integers({1, 4, 5, 6}, 3);
  expect_same_bits(folded(x), at::conv2d(at::upsample_nearest2d(x, {10, 12}), weight, bias, 1, 1));
}

// Enough channels for Winograd's filtering on a CPU; sizes odd and even, and smaller than a tile.
class WinogradSizes : public testing::TestWithParam<std::pair<int64_t, int64_t>> {
 protected:
  at::Tensor x = normals({2, 40, GetParam().first, GetParam().second});
  std::map<std::string, at::Tensor> tensors{{"weight", normals({33, 40, 3, 3}, 1) / 19},
                                            {"bias", normals({33}, 2)}};
  at::Tensor exact(const at::Tensor& image) const {
    return at::conv2d(image.to(at::kDouble), tensors.at("weight").to(at::kDouble),
                      tensors.at("bias").to(at::kDouble), 1, 1);
  }
};

TEST_P(WinogradSizes, ConvolutionIsExactToRounding) {
  const Conv2d conv(memory_weights(tensors), {.in = 40, .out = 33});
  expect_close(conv(x), exact(x), {.relative = 2e-6, .absolute = 4e-6});
}

TEST_P(WinogradSizes, UpsamplingIsExactToRounding) {
  const UpsampleConv2d conv(memory_weights(tensors), 40, 33);
  const auto doubled = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  expect_close(conv(x), exact(doubled), {.relative = 2e-6, .absolute = 4e-6});
}

INSTANTIATE_TEST_SUITE_P(Sizes, WinogradSizes,
                         testing::Values(std::pair{1, 1}, std::pair{2, 3}, std::pair{5, 4},
                                         std::pair{16, 16}, std::pair{121, 83}));

TEST(Conv2d, OnePixelAtATimeEqualsTheGeneralCase) {
  const auto weight = integers({3, 4, 1, 1}, 1), bias = integers({3}, 2);
  const Conv2d point(memory_weights({{"weight", weight}, {"bias", bias}}), {4, 3, /*kernel=*/1});
  const auto x = integers({2, 4, 5, 6}, 3);
  expect_same_bits(point(x), at::conv2d(x, weight, bias));
}

}  // namespace
}  // namespace trireme
