#include "src/vae/postprocess.h"

#include <gtest/gtest.h>

#include "tests/support/run_ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// An image whose every channel and pixel has this value, as a pixel.
int pixel(double value) {
  return to_pixels(at::full({3, 1, 1}, value, at::kFloat))[0][0][0].item<int>();
}

TEST(ToPixels, MinusOneIsBlackOneIsWhiteAndBeyondIsCutOff) {
  EXPECT_EQ(pixel(-1), 0);
  EXPECT_EQ(pixel(1), 255);
  EXPECT_EQ(pixel(-7.5), 0);
  EXPECT_EQ(pixel(1.001), 255);
}

TEST(ToPixels, HalvesRoundToEven) {
  EXPECT_EQ(pixel(0), 128);                  // 127.5
  EXPECT_EQ(pixel(126.5 / 127.5 - 1), 126);  // 126.5
}

TEST(ToPixels, ColoursStandTogether) {
  const auto image = at::tensor({-1.f, 0.f, 1.f}).view({3, 1, 1}).expand({3, 2, 4});
  const auto pixels = to_pixels(image);
  EXPECT_EQ(pixels.sizes(), at::IntArrayRef({2, 4, 3}));
  EXPECT_EQ(pixels.scalar_type(), at::kByte);
  EXPECT_EQ(pixels[1][3][0].item<int>(), 0);
  EXPECT_EQ(pixels[1][3][2].item<int>(), 255);
}

TEST(ResizeAndCrop, TheRightSizeIsLeftAlone) {
  const auto image = normals({1, 3, 6, 8});
  expect_same_bits(resize_and_crop(image, 6, 8), image);
}

TEST(ResizeAndCrop, CoversAndCutsTheMiddle) {
  // 4 x 8 covers 4 x 4 as it is: the middle four columns of eight.
  const auto image = normals({1, 3, 4, 8});
  expect_same_bits(resize_and_crop(image, 4, 4), image.narrow(3, 2, 4));
  // 832 x 1152, where PixArt makes 768 x 1024, shrinks to 768 x 1063 and loses 19 columns left.
  const auto ramp = at::arange(1152, at::kFloat).expand({1, 1, 832, 1152});
  const auto cut = resize_and_crop(ramp, 768, 1024);
  EXPECT_EQ(cut.sizes(), at::IntArrayRef({1, 1, 768, 1024}));
  EXPECT_NEAR(cut[0][0][0][0].item<double>(), 19.5 * 1152 / 1063 - 0.5, 1e-3);
}

TEST(ResizeAndCrop, CoversWhereTheRatioIsAnUlpShort) {
  const auto image = normals({1, 3, 304, 304});  // 304 * (87 / 304.) < 87
  EXPECT_EQ(resize_and_crop(image, 87, 87).sizes(), at::IntArrayRef({1, 3, 87, 87}));
}

// Larger, smaller, wider, taller; with rows for every rank and with fewer.
TEST(ResizeAndCrop, InBandsIsTheWhole) {
  struct Case {
    int64_t h, w, height, width;
  };
  for (const auto& c : {Case{24, 16, 50, 30}, Case{24, 16, 24, 12}, Case{40, 16, 13, 11},
                        Case{16, 40, 100, 30}, Case{3, 8, 30, 20}, Case{64, 64, 63, 65}})
    for (const int ranks : {2, 3, 4, 8}) {
      const auto image = normals({1, 3, c.h, c.w});
      const auto whole = resize_and_crop(image, c.height, c.width);
      run_ranks(ranks, [&](Group patch) {
        const Split rows(c.h, ranks);
        const auto band = shard(image, 2, rows, patch.rank());
        const auto [mine, picture] = resize_and_crop(band, patch, rows, c.height, c.width);
        EXPECT_EQ(picture.units(), c.height);
        ASSERT_EQ(mine.size(2), picture[patch.rank()].length);
        expect_close(mine, shard(whole, 2, picture, patch.rank()));
      });
    }
}

}  // namespace
}  // namespace trireme
