#include "src/report/metrics.h"

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

using MetricsTest = FolderTest;

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, EveryLineHasRankAndOutput) {
  const auto text = to_prometheus({.output = "/data/out",
                                   .rank = 3,
                                   .done = 12,
                                   .stage_seconds = {{"denoise", 1.5}},
                                   .memory_bytes = {{"host", 1024}}});
  EXPECT_TRUE(
      has_line(text, R"(trireme_samples_total{rank="3",output="/data/out",status="done"} 12)"));
  EXPECT_TRUE(
      has_line(text, R"(trireme_seconds_total{rank="3",output="/data/out",stage="denoise"} 1.5)"));
  EXPECT_TRUE(
      has_line(text, R"(trireme_memory_bytes{rank="3",output="/data/out",kind="host"} 1024)"));
  EXPECT_TRUE(has_line(text, R"(trireme_up{rank="3",output="/data/out"} 1)"));
  EXPECT_TRUE(has_line(text, "# TYPE trireme_samples_total counter"));
  EXPECT_EQ(text.back(), '\n');
}

TEST(Metrics, FamiliesWithoutLinesAreLeftOut) {
  const auto text = to_prometheus({});
  EXPECT_EQ(text.find("trireme_seconds_total"), std::string::npos);
  EXPECT_EQ(text.find("trireme_exit_code"), std::string::npos);
  EXPECT_NE(text.find("trireme_steps_total"), std::string::npos);
}

TEST(Metrics, ARunThatEndedIsNotUp) {
  const auto text = to_prometheus({.exit_code = 85});
  EXPECT_TRUE(has_line(text, R"(trireme_up{rank="0",output=""} 0)"));
  EXPECT_TRUE(has_line(text, R"(trireme_exit_code{rank="0",output=""} 85)"));
}

TEST(Metrics, LabelsAreEscaped) {
  const auto text = to_prometheus({.output = "a\\b\"c\nd"});
  EXPECT_TRUE(has_line(text, R"(trireme_up{rank="0",output="a\\b\"c\nd"} 1)"));
}

TEST_F(MetricsTest, AreRewrittenAtMostSoOften) {
  double now = 100;
  MetricsFile file(folder_ / metrics_name(7), {}, 2, [&] { return now; });
  EXPECT_TRUE(file.is_due());
  file.update({.rank = 7});
  now = 101.9;
  EXPECT_FALSE(file.is_due());
  now = 102;
  EXPECT_TRUE(file.is_due());
  EXPECT_EQ(content(folder_ / "metrics" / "rank-00007.prom"), to_prometheus({.rank = 7}));
}

}  // namespace
}  // namespace trireme
