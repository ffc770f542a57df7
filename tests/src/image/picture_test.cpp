#include "src/image/picture.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "parallel/error.h"
#include "src/image/check.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

const std::vector<PictureText> kTexts = {
    {"parameters", "a cat\nNegative prompt: caf\u00e9\nSteps: 2"},
    {"trireme", R"({"prompt": "猫が眠る 🐈"})"},
};

// Smooth colours, as lossy formats are made for.
std::vector<std::uint8_t> pixels_of(PictureSize size) {
  std::vector<std::uint8_t> pixels;
  for (std::int64_t y = 0; y < size.height; ++y) {
    for (std::int64_t x = 0; x < size.width; ++x) {
      for (const auto value : {x * 2, y * 2, x + y}) {
        pixels.push_back(static_cast<std::uint8_t>(value % 256));
      }
    }
  }
  return pixels;
}

double mean_error(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

class EveryFormat : public testing::TestWithParam<PictureFormat> {
 protected:
  std::string encode(PictureSize size, const std::vector<PictureText>& texts, int quality = 95) {
    return encode_picture(GetParam(), pixels_of(size), size, texts, quality);
  }
  bool lossy() const { return GetParam() != PictureFormat::kPng; }
};

INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat,
                         testing::Values(PictureFormat::kPng, PictureFormat::kJpeg,
                                         PictureFormat::kWebp),
                         [](const auto& info) { return std::string(extension_of(info.param)); });

TEST_P(EveryFormat, PixelsAndTextsComeBack) {
  const PictureSize size{37, 53};
  const Picture picture = decode_picture(encode(size, kTexts), "a picture");
  EXPECT_EQ(picture.size, size);
  EXPECT_EQ(picture.texts, kTexts);
  ASSERT_EQ(picture.pixels.size(), pixels_of(size).size());
  EXPECT_LE(mean_error(picture.pixels, pixels_of(size)), lossy() ? 3 : 0);
}

TEST_P(EveryFormat, HeadersAreReadWithoutPixels) {
  const auto path =
      std::filesystem::path(testing::TempDir()) / ("picture_test_" + std::to_string(::getpid()));
  std::ofstream(path, std::ios::binary) << encode({16, 32}, kTexts);
  const PictureHeader header = read_picture_header(path);
  EXPECT_EQ(header.size, (PictureSize{16, 32}));
  EXPECT_EQ(header.texts, kTexts);
  std::filesystem::remove(path);
  EXPECT_EQ(error_of([&] { read_picture_header(path); }).exit, Exit::kMissingInput);
}

TEST_P(EveryFormat, TheSamePictureGivesTheSameBytes) {
  EXPECT_EQ(encode({64, 48}, kTexts), encode({64, 48}, kTexts));
}

TEST_P(EveryFormat, ThePixelsDoNotDependOnTheTexts) {
  const auto bare = encode({64, 48}, {});
  EXPECT_LT(bare.size(), encode({64, 48}, kTexts).size());
  const Picture picture = decode_picture(bare, "bare");
  EXPECT_TRUE(picture.texts.empty());
  EXPECT_EQ(picture.pixels, decode_picture(encode({64, 48}, kTexts), "with texts").pixels);
}

TEST_P(EveryFormat, QualityTakesEffectWhereThereIsOne) {
  if (lossy()) {
    EXPECT_LT(encode({64, 64}, {}, 50).size(), encode({64, 64}, {}, 95).size());
    EXPECT_LT(encode({64, 64}, {}, 95).size(), encode({64, 64}, {}, 100).size());
  } else {
    EXPECT_EQ(encode({64, 64}, {}, 50), encode({64, 64}, {}, 95));
  }
}

TEST_P(EveryFormat, AnEndThatIsMissingIsFound) {
  const std::string good = encode({64, 64}, kTexts);
  check_picture(good, "good");
  for (std::size_t length = 0; length < good.size(); length += 13) {
    EXPECT_EQ(error_of([&] { check_picture(good.substr(0, length), "cut"); }).exit, Exit::kBadData)
        << length << " of " << good.size();
  }
}

TEST_P(EveryFormat, TextsThatAreNoUtf8AreRefused) {
  for (const std::string& text : {std::string("\xff\xfe"), std::string("a\0b", 3)}) {
    EXPECT_EQ(error_of([&] { encode({8, 8}, {{"parameters", text}}); }).exit, Exit::kBadData);
  }
}

TEST_P(EveryFormat, WrongSizesAreRefused) {
  const auto pixels = pixels_of({8, 8});
  const auto encode_as = [&](PictureSize size) {
    return error_of([&] { encode_picture(GetParam(), pixels, size, {}); }).exit;
  };
  EXPECT_EQ(encode_as({8, 9}), Exit::kBug);
  EXPECT_EQ(encode_as({-8, -8}), Exit::kBug);
  EXPECT_NE(error_of([&] { encode_picture(GetParam(), {}, {0, 8}, {}); }).exit, Exit::kDone);
}

// EXIF ends at 64 KiB. The picture is made all the same.
TEST_P(EveryFormat, LongTextsAreLeftOutWhereTheyDoNotFit) {
  const std::vector<PictureText> long_note = {kTexts[0], {"trireme", std::string(70'000, '{')}};
  const std::vector<PictureText> long_both = {{"parameters", std::string(40'000, 'x')},
                                              {"trireme", "{}"}};
  const auto kept = [&](const std::vector<PictureText>& texts) {
    return decode_picture(encode({8, 8}, texts), "long").texts;
  };
  EXPECT_EQ(kept(long_note), lossy() ? std::vector{kTexts[0]} : long_note);
  EXPECT_EQ(kept(long_both), lossy() ? std::vector{long_both[1]} : long_both);
  const std::vector<PictureText> nearly = {{"parameters", std::string(32'700, 'x')}};
  EXPECT_EQ(kept(nearly), nearly);
}

TEST(Picture, PngHoldsPromptsOfMegabytes) {
  const std::vector<PictureText> texts = {{"parameters", std::string(9'000'000, 'x')}};
  const auto bytes = encode_picture(PictureFormat::kPng, pixels_of({8, 8}), {8, 8}, texts);
  EXPECT_EQ(decode_picture(bytes, "long").texts, texts);
}

TEST(Picture, SizesBeyondAFormatAreRefused) {
  const PictureSize wide{1, 16'384};
  const auto pixels = pixels_of(wide);
  EXPECT_EQ(error_of([&] { encode_picture(PictureFormat::kWebp, pixels, wide, {}); }).exit,
            Exit::kBadData);
  EXPECT_EQ(error_of([&] { encode_picture(PictureFormat::kJpeg, pixels, wide, {}); }).exit,
            Exit::kDone);
}

TEST(Picture, WhatIsNoPictureIsNamed) {
  for (const char* bytes :
       {"", "not a picture", "RIFF....WAVE", "\xff\xd8\xff", "\x89PNG\r\n\x1a\n"}) {
    try {
      check_picture(bytes, "00042/00042000.png");
      ADD_FAILURE() << bytes;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit(), Exit::kBadData);
      EXPECT_TRUE(std::string(error.what()).starts_with("[00042/00042000.png]")) << error.what();
    }
  }
}

TEST(Picture, TextsWithoutAPlaceInExifAreOurMistake) {
  const auto pixels = pixels_of({8, 8});
  EXPECT_EQ(error_of([&] {
              encode_picture(PictureFormat::kJpeg, pixels, {8, 8}, {{"comment", "hello"}});
            }).exit,
            Exit::kBug);
}

}  // namespace
}  // namespace trireme
