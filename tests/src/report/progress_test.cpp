#include "src/report/progress.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace trireme {
namespace {

class ProgressTest : public testing::Test {
 protected:
  ProgressOptions options(Voice voice) {
    return {.pictures = 10,
            .steps_per_picture = 20,
            .voice = voice,
            .now = [this] { return time_; },
            .out = [this](std::string_view text) { said_ += text; }};
  }
  std::string said() { return std::exchange(said_, {}); }

  // What a terminal of `columns` shows in its last line after all that was said.
  std::string last_line() const {
    std::string line;
    std::size_t cursor = 0;
    for (const char c : said_) {
      if (c == '\n') line.clear();
      if (c == '\r' || c == '\n') cursor = 0;
      if (c == '\r' || c == '\n') continue;
      line.resize(std::max(line.size(), cursor + 1), ' ');
      line[cursor++] = c;
    }
    return line.substr(0, line.find_last_not_of(' ') + 1);
  }

  double time_ = 100;
  std::string said_;
};

TEST_F(ProgressTest, LinesSayCountsRateAndTimeLeft) {
  Progress progress(options(Voice::kLines));
  time_ += 60;
  progress.update({.done = 3, .skipped = 2, .failed = 0, .steps = 62});
  EXPECT_EQ(said(), "5/10 pictures, 62/160 steps, 3.1 pictures/min, 95 s left\n");
}

TEST_F(ProgressTest, LinesComeNowAndThenWithoutControlCharacters) {
  Progress progress(options(Voice::kLines));
  for (int i = 0; i < 320; ++i) {
    time_ += 0.125;
    progress.update({.done = i / 40, .skipped = 2, .failed = 0, .steps = i / 2});
  }
  progress.message("picture 4: a \r\x1b[2J prompt");
  progress.finish();
  const std::string text = said();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4 + 1 + 1) << text;
  for (const unsigned char c : text) EXPECT_TRUE(c == '\n' || c >= ' ') << text;
}

TEST_F(ProgressTest, LinesOfLongRunsGetRarer) {
  Progress progress(options(Voice::kLines));
  for (int second = 0; second < 7200; ++second) {
    time_ += 1;
    progress.update({.done = 0, .skipped = 2, .failed = 0, .steps = second / 60});
  }
  const std::string text = said();
  const auto lines = std::count(text.begin(), text.end(), '\n');
  EXPECT_GT(lines, 120);
  EXPECT_LT(lines, 300);
}

TEST_F(ProgressTest, ATerminalLineIsRewrittenWithoutRests) {
  Progress progress(options(Voice::kTerminal));
  time_ += 600;
  progress.update({.done = 0, .skipped = 2, .failed = 1, .steps = 10});
  EXPECT_EQ(last_line(), "3/10 pictures, 10/160 steps, 1 failed, 6.0 pictures/h, 1 h 10 min left");
  time_ += 1;
  progress.update({.done = 7, .skipped = 2, .failed = 1, .steps = 160});
  EXPECT_EQ(last_line(), "10/10 pictures, 160/160 steps, 1 failed, 48 pictures/h, 0.0 s left");
  EXPECT_EQ(said_.find('\n'), std::string::npos);
}

TEST_F(ProgressTest, ATerminalIsWrittenAFewTimesASecond) {
  Progress progress(options(Voice::kTerminal));
  for (int i = 0; i < 1000; ++i) {
    time_ += 0.001;
    progress.update({.done = 0, .skipped = 2, .failed = 0, .steps = i});
  }
  EXPECT_LE(std::count(said_.begin(), said_.end(), '\r'), 6);
}

TEST_F(ProgressTest, AMessageStandsOnItsOwnLine) {
  Progress progress(options(Voice::kTerminal));
  time_ += 30;
  progress.update({.done = 1, .skipped = 2, .failed = 0, .steps = 20});
  said();
  progress.message("picture 4 failed");
  EXPECT_NE(said_.find("\rpicture 4 failed\n\r3/10 pictures"), std::string::npos) << said_;
}

TEST_F(ProgressTest, ALineNeverWraps) {
  ProgressOptions narrow = options(Voice::kTerminal);
  narrow.columns = 20;
  Progress progress(narrow);
  time_ += 30;
  progress.update({.done = 1, .skipped = 2, .failed = 0, .steps = 20});
  EXPECT_EQ(last_line(), "3/10 pictures, 20/1");
}

TEST_F(ProgressTest, TheEndIsSaidOnce) {
  for (const Voice voice : {Voice::kTerminal, Voice::kLines}) {
    time_ = 100;
    Progress progress(options(voice));
    time_ += 120;
    progress.update({.done = 7, .skipped = 2, .failed = 1, .steps = 160});
    said();
    progress.finish();
    progress.finish();
    progress.update({.done = 7, .skipped = 2, .failed = 1, .steps = 160});
    const std::string text = said();
    EXPECT_TRUE(
        text.ends_with("7 pictures in 2 min, 3.5 pictures/min, 2 were there already, 1 failed\n"))
        << text;
  }
}

TEST_F(ProgressTest, ABrokenOffTerminalLineIsEnded) {
  {
    Progress progress(options(Voice::kTerminal));
    time_ += 1;
    progress.update({.done = 0, .skipped = 2, .failed = 0, .steps = 1});
  }
  EXPECT_TRUE(said_.ends_with("\n"));
}

TEST_F(ProgressTest, ARunWithNothingToDoSaysSo) {
  Progress progress(options(Voice::kLines));
  progress.update({.skipped = 10});
  progress.finish();
  EXPECT_EQ(said(), "nothing to do: 10 pictures were there already\n");
}

TEST_F(ProgressTest, QuietPassesMessagesOnAndSaysNothingElse) {
  Progress progress(options(Voice::kQuiet));
  time_ += 1000;
  progress.update({.done = 1, .skipped = 2, .failed = 0, .steps = 20});
  progress.message("sample 1 failed");
  progress.finish();
  EXPECT_EQ(said_, "sample 1 failed\n");
}

TEST(VoiceFor, OnlyRankZeroSpeaksAndTrustsATerminalOnlyWithoutALauncher) {
  EXPECT_EQ(voice_for({.is_terminal = true}), Voice::kTerminal);
  EXPECT_EQ(voice_for({.is_terminal = false}), Voice::kLines);
  EXPECT_EQ(voice_for({.under_launcher = true, .is_terminal = true}), Voice::kLines);
  EXPECT_EQ(voice_for({.rank = 1, .is_terminal = true}), Voice::kQuiet);
  EXPECT_EQ(voice_for({.quiet = true, .is_terminal = true}), Voice::kQuiet);
}

}  // namespace
}  // namespace trireme
