// Bytes that are not text, and words that are nearly right.
#include "src/config/text.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

TEST(Text, FindsTheFirstByteThatIsNotUtf8) {
  EXPECT_FALSE(find_bad_utf8("plain, é, 漢, 😀").has_value());
  EXPECT_EQ(find_bad_utf8("ab\x80")->offset, 2u);
  EXPECT_EQ(find_bad_utf8("a\xF0\x9F\x98")->offset, 1u);                 // cut short
  EXPECT_EQ(find_bad_utf8("\xed\xa0\x80")->offset, 0u);                  // a surrogate
  EXPECT_EQ(find_bad_utf8("\xf4\x90\x80\x80")->offset, 0u);              // past U+10FFFF
  EXPECT_EQ(find_bad_utf8("\xc1\xbf")->what, "byte 0xc1 is not UTF-8");  // overlong
}

TEST(Text, ShortensAtACharactersEnd) {
  EXPECT_EQ(shorten("abc", 3), "abc");
  EXPECT_EQ(shorten("a\nb", 3), "a b");
  EXPECT_EQ(shorten("ééé", 3), "é...");
}

TEST(Text, NearestWord) {
  const std::vector<std::string_view> keys = {"height", "width", "num_inference_steps",
                                              "text_encoder", "text_encoder_3"};
  EXPECT_EQ(nearest("heigth", keys), "height");
  EXPECT_EQ(nearest("HEIGHT", keys), "height");
  EXPECT_EQ(nearest("steps", keys), "num_inference_steps");
  EXPECT_EQ(nearest("text-encoder3", keys), "text_encoder_3");
  EXPECT_EQ(nearest("inference_steps", keys), "num_inference_steps");
  EXPECT_EQ(nearest("zebra", keys), std::nullopt);
  EXPECT_EQ(nearest("", keys), std::nullopt);
}

}  // namespace
}  // namespace trireme
