#include "src/report/html.h"

#include "src/report/html_text.h"
#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(HtmlText, WhatOthersWroteIsEscaped) {
  EXPECT_EQ(escaped("<a href=\"x\">&'猫"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;猫");
  EXPECT_EQ(escaped(std::string("a\0b\x1b\xff\nc", 7)), "a b \xef\xbf\xbd\nc");
  EXPECT_EQ(escaped("猫猫猫", 7), "猫猫…");
}

TEST(HtmlText, BytesBecomeADataUri) {
  EXPECT_EQ(data_uri("image/png", std::string("\x00\xff\x10\x80", 4)),
            "data:image/png;base64,AP8QgA==");
  EXPECT_EQ(data_uri("image/png", ""), "data:image/png;base64,");
}

TEST(ReportPage, OfAJobThatHasNotBegunSaysSo) {
  const auto page = report_page({.title = "out"});
  EXPECT_TRUE(has(page, "not begun"));
  EXPECT_FALSE(has(page, "<h2>"));
}

TEST(ReportPage, SaysHowTheJobStands) {
  ReportPage page{.title = "out", .total = 1234567, .done = 1000};
  page.timeline.runs.push_back({.begun = utc(0)});
  EXPECT_TRUE(has(report_page(page), "under way, or broken off"));
  EXPECT_TRUE(has(report_page(page), "of 1&nbsp;234&nbsp;567"));
  page.timeline.runs[0].exit_code = 85;
  EXPECT_TRUE(has(report_page(page), "drained: run again to go on"));
  page.timeline.runs[0].exit_code = 74;
  EXPECT_TRUE(has(report_page(page), "ended with exit code 74"));
  page.done = page.total;
  EXPECT_TRUE(has(report_page(page), ">all done<"));
}

TEST(ReportPage, StaysSmallWhateverItIsGiven) {
  ReportPage page{.title = std::string(1'000'000, '<'), .job = std::string(1'000'000, '&')};
  page.pictures.assign(100, {.prompt = std::string(2000, '"'), .jpeg = std::string(20'000, 'j')});
  page.failures.assign(300, {.code = "nan", .reason = std::string(2000, '>')});
  const auto text = report_page(page);
  EXPECT_LT(text.size(), 2'000'000u);
  EXPECT_TRUE(has(text, "<figure>"));
  EXPECT_TRUE(has(text, "The first 200 of 300."));
}

}  // namespace
}  // namespace trireme
