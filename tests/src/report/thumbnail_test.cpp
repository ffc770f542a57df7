#include "src/report/thumbnail.h"

#include <gtest/gtest.h>

#include "src/image/picture.h"

namespace trireme {
namespace {

Picture grey(std::int64_t height, std::int64_t width) {
  Picture picture{.size = {height, width}, .pixels = {}, .texts = {}};
  for (std::int64_t at = 0; at < height * width; ++at)
    picture.pixels.insert(picture.pixels.end(), 3, static_cast<std::uint8_t>(at));
  return picture;
}

TEST(Thumbnail, APixelIsTheMeanOfThoseThatItStandsFor) {
  const auto small = shrunk(grey(2, 4), 2);
  EXPECT_EQ(small.size, (PictureSize{1, 2}));
  EXPECT_EQ(small.pixels, std::vector<std::uint8_t>({3, 3, 3, 5, 5, 5}));
}

TEST(Thumbnail, SmallPicturesStayAsTheyAreAndThinOnesKeepAPixel) {
  EXPECT_EQ(shrunk(grey(3, 5), 9).pixels, grey(3, 5).pixels);
  EXPECT_EQ(shrunk(grey(1, 100), 10).size, (PictureSize{1, 10}));
}

TEST(Thumbnail, IsAPicture) {
  EXPECT_EQ(decode_picture(thumbnail(grey(40, 20), 10), "thumbnail").size, (PictureSize{10, 5}));
}

}  // namespace
}  // namespace trireme
