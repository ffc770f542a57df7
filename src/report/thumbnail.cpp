#include "src/report/thumbnail.h"

#include <algorithm>

#include "src/image/jpeg.h"

namespace trireme {
namespace {

constexpr int kQuality = 80;
constexpr std::int64_t kChannels = 3;

// Of `length` pixels, those that pixel `at` of `shorter` stands for.
struct Range {
  std::int64_t begin, end;
};
Range range(std::int64_t at, std::int64_t length, std::int64_t shorter) {
  const auto begin = at * length / shorter;
  return {begin, std::max(begin + 1, (at + 1) * length / shorter)};
}

std::uint8_t mean(const Picture& of, Range rows, Range columns, std::int64_t channel) {
  std::int64_t sum = 0;
  for (auto y = rows.begin; y < rows.end; ++y)
    for (auto x = columns.begin; x < columns.end; ++x)
      sum += of.pixels[static_cast<std::size_t>((y * of.size.width + x) * kChannels + channel)];
  const auto count = (rows.end - rows.begin) * (columns.end - columns.begin);
  return static_cast<std::uint8_t>((sum + count / 2) / count);
}

}  // namespace

Picture shrunk(const Picture& picture, std::int64_t longest) {
  const auto longer = std::max(picture.size.height, picture.size.width);
  const auto side = [&](std::int64_t length) {
    return longer <= longest ? length : std::max<std::int64_t>(1, length * longest / longer);
  };
  Picture small{
      .size = {side(picture.size.height), side(picture.size.width)}, .pixels = {}, .texts = {}};
  for (std::int64_t y = 0; y < small.size.height; ++y)
    for (std::int64_t x = 0; x < small.size.width; ++x)
      for (std::int64_t channel = 0; channel < kChannels; ++channel)
        small.pixels.push_back(mean(picture, range(y, picture.size.height, small.size.height),
                                    range(x, picture.size.width, small.size.width), channel));
  return small;
}

std::string thumbnail(const Picture& picture, std::int64_t longest) {
  const auto small = shrunk(picture, longest);
  return encode_jpeg(small.pixels, small.size, {}, kQuality);
}

}  // namespace trireme
