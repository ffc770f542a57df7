#include "src/report/human.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

TEST(Human, Bytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(80.0 * (1 << 30)), "80 GiB");
  EXPECT_EQ(human_bytes(1 << 20), "1.0 MiB");
}

TEST(Human, Durations) {
  EXPECT_EQ(human_duration(0.44), "0.4 s");
  EXPECT_EQ(human_duration(45), "45 s");
  EXPECT_EQ(human_duration(120), "2 min");
  EXPECT_EQ(human_duration(3900), "1 h 05 min");
  EXPECT_EQ(human_duration(3599.9), "1 h 00 min");
  EXPECT_EQ(human_duration(76 * 3600), "3 d 4 h");
}

TEST(Human, Rates) {
  EXPECT_EQ(human_rate(1.42), "1.4 pictures/s");
  EXPECT_EQ(human_rate(3.1 / 60), "3.1 pictures/min");
  EXPECT_EQ(human_rate(12.0 / 3600), "12 pictures/h");
}

}  // namespace
}  // namespace trireme
