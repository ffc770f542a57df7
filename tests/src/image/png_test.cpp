#include "src/image/png.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>

#include "parallel/error.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

// A picture with structure and noise, the same at every call.
std::vector<std::uint8_t> picture(PngSize size) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size.height * size.width * 3));
  std::uint32_t noise = 1;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    noise = noise * 1664525u + 1013904223u;
    pixels[i] = static_cast<std::uint8_t>(i / 300 + (noise >> 29));
  }
  return pixels;
}

class PngTest : public testing::Test {
 protected:
  fs::path file(std::string_view bytes) {
    const fs::path path =
        fs::path(testing::TempDir()) / ("png_test_" + std::to_string(::getpid()) + ".png");
    std::ofstream(path, std::ios::binary) << bytes;
    path_ = path;
    return path;
  }
  void TearDown() override { fs::remove(path_); }

 private:
  fs::path path_;
};

const std::vector<PngText> kTexts = {
    {"parameters", "a cat\nNegative prompt: caf\u00e9\nSteps: 2"},
    {"trireme", R"({"prompt": "猫が眠る 🐈"})"},
    {"empty", ""},
};

TEST_F(PngTest, PixelsAndTextsComeBack) {
  const PngSize size{37, 53};
  const auto pixels = picture(size);
  const Png png = read_png(file(encode_png(pixels, size, kTexts)));
  EXPECT_EQ(png.size, size);
  EXPECT_EQ(png.pixels, pixels);
  EXPECT_EQ(png.texts, kTexts);
}

TEST_F(PngTest, LatinTextsAreStoredAsTextAndOthersAsInternationalText) {
  const std::string bytes = encode_png(picture({1, 1}), {1, 1}, kTexts);
  EXPECT_NE(bytes.find(std::string("tEXtparameters\0a cat\nNegative prompt: caf\xe9", 42)),
            std::string::npos);
  EXPECT_NE(bytes.find(std::string("iTXttrireme\0\0\0\0\0{", 17)), std::string::npos);
}

TEST_F(PngTest, TextsStandBeforeThePixels) {
  const std::string bytes = encode_png(picture({8, 8}), {8, 8}, kTexts);
  const std::string head = bytes.substr(0, bytes.find("IDAT") + 4);
  EXPECT_EQ(read_png_texts(file(head)), kTexts);
}

TEST_F(PngTest, TheSamePictureGivesTheSameBytesHoweverItsRowsCome) {
  const PngSize size{64, 48};
  const auto pixels = picture(size);
  const std::string whole = encode_png(pixels, size, kTexts);
  EXPECT_EQ(encode_png(pixels, size, kTexts), whole);
  EXPECT_EQ(whole.find("tIME"), std::string::npos);

  std::string streamed;
  PngWriter writer([&](std::string_view bytes) { streamed += bytes; }, size, kTexts);
  const std::span<const std::uint8_t> all(pixels);
  for (std::size_t row = 0; row < 64; row += 8) {
    writer.rows(all.subspan(row * 48 * 3, 8 * 48 * 3));
  }
  writer.finish();
  EXPECT_EQ(streamed, whole);
}

TEST_F(PngTest, RowsReachTheSinkBeforeTheEnd) {
  const PngSize size{1024, 256};
  const auto pixels = picture(size);
  std::size_t seen = 0;
  PngWriter writer([&](std::string_view bytes) { seen += bytes.size(); }, size, {});
  writer.rows(std::span(pixels).first(pixels.size() / 2));
  EXPECT_GT(seen, pixels.size() / 10);
}

TEST_F(PngTest, ASinkMayThrow) {
  const auto pixels = picture({4, 4});
  PngWriter::Sink full = [](std::string_view) { throw Error(Exit::kInputOutput, "disk full"); };
  EXPECT_EQ(error_of([&] { PngWriter(full, {4, 4}, {}).rows(pixels); }).exit, Exit::kInputOutput);
}

TEST_F(PngTest, WrongRowsAreRefused) {
  const auto pixels = picture({4, 4});
  const auto writer = [] { return PngWriter([](std::string_view) {}, {4, 4}, {}); };
  EXPECT_EQ(error_of([&] { writer().rows(std::span(pixels).first(5)); }).exit, Exit::kBug);
  EXPECT_EQ(error_of([&] { writer().rows(picture({5, 4})); }).exit, Exit::kBug);
  EXPECT_EQ(error_of([&] { writer().finish(); }).exit, Exit::kBug);
  EXPECT_EQ(error_of([&] { encode_png({}, {0, 4}, {}); }).exit, Exit::kBug);
  EXPECT_EQ(error_of([&] { encode_png(pixels, {4, 4}, {{"", "no key"}}); }).exit, Exit::kBug);
}

TEST_F(PngTest, TextsThatNoPngCanHoldAreRefused) {
  const auto pixels = picture({1, 1});
  const auto refuse = [&](std::string text) {
    return error_of([&] { encode_png(pixels, {1, 1}, {{"key", text}}); }).exit;
  };
  EXPECT_EQ(refuse("\xff\xfe"), Exit::kBadData);
  EXPECT_EQ(refuse(std::string("a\0b", 3)), Exit::kBadData);
}

TEST_F(PngTest, DamageIsFoundAndNamed) {
  const std::string good = encode_png(picture({32, 32}), {32, 32}, kTexts);
  std::string flipped = good;
  flipped[good.find("IDAT") + 40] ^= 1;
  for (const std::string& bad :
       {std::string(), std::string("not a picture"), flipped, good.substr(0, good.size() / 2),
        good.substr(0, good.size() - 6)}) {
    const fs::path path = file(bad);
    EXPECT_EQ(error_of([&] { read_png(path); }).exit, Exit::kBadData) << bad.size();
  }
  EXPECT_EQ(error_of([] { read_png("no_such_folder/00000000.png"); }).exit, Exit::kMissingInput);
}

TEST_F(PngTest, AMegapixelTakesAboutATenthOfASecond) {
  const PngSize size{1024, 1024};
  const auto pixels = picture(size);
  const auto start = std::chrono::steady_clock::now();
  encode_png(pixels, size, kTexts);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  EXPECT_LT(taken.count(), 1.0);  // slack for a busy machine; libpng's defaults take longer still
}

}  // namespace
}  // namespace trireme
