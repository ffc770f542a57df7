#include "src/report/table.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

TEST(Table, AlignsTextLeftAndNumbersRight) {
  EXPECT_EQ(table({{"component", "class", "bytes"},
                   {"transformer", "SD3Transformer2DModel", "4.2 GiB"},
                   {"vae", "AutoencoderKL", "160 MiB"},
                   {"text_encoder_3", "", "-"}}),
            "component       class                    bytes\n"
            "transformer     SD3Transformer2DModel  4.2 GiB\n"
            "vae             AutoencoderKL          160 MiB\n"
            "text_encoder_3                               -\n");
}

TEST(Table, CountsColumnsAsATerminalDoes) {
  EXPECT_EQ(table({{"prompt", "seed"}, {"猫", "1"}, {"e\u0301t\u00e9", "2"}}),
            "prompt  seed\n"
            "猫         1\n"
            "e\u0301t\u00e9        2\n");
}

TEST(Table, ShortRowsAndNoRows) {
  EXPECT_EQ(table({{"a", "b"}, {"x"}, {}}), "a  b\nx\n\n");
  EXPECT_EQ(table({}), "");
}

TEST(Fitted, CutsAtACharactersEdge) {
  EXPECT_EQ(fitted("a猫b", 2), "a");
  EXPECT_EQ(fitted("a猫b", 3), "a猫");
  EXPECT_EQ(fitted("short", 80), "short");
  EXPECT_EQ(display_width("a猫b"), 4u);
  EXPECT_EQ(display_width("\xff"), 1u);
}

}  // namespace
}  // namespace trireme
