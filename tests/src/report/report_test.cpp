#include "src/report/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace trireme {
namespace {

RankReport rank(int number, double denoise) {
  RankReport report{.rank = number, .host = "node1", .device = "cpu", .peak_bytes = 1000};
  report.sent_bytes = {{"all_reduce", 64}, {"point_to_point", 8}};
  report.stages["denoise"] = {.weights_bytes = 500, .seconds = denoise};
  report.load_seconds = 2;
  report.write_seconds = 0.5;
  return report;
}

TEST(Report, HasThePromisedFields) {
  const Report report{.done = 10,
                      .failed = 1,
                      .skipped = 5,
                      .total_seconds = 100,
                      .ranks = {rank(0, 70), rank(1, 80)}};
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("samples"), (nlohmann::json{{"done", 10}, {"failed", 1}, {"skipped", 5}}));
  EXPECT_EQ(json.at("seconds"), (nlohmann::json{{"total", 100.0},
                                                {"load", 2.0},
                                                {"encode", 0.0},
                                                {"denoise", 80.0},
                                                {"decode", 0.0},
                                                {"write", 0.5}}));
  EXPECT_EQ(json.at("images_per_hour"), 360.0);
  EXPECT_TRUE(json.at("predicted").is_null());
  const auto& second = json.at("ranks").at(1);
  EXPECT_EQ(second.at("rank"), 1);
  EXPECT_EQ(second.at("host"), "node1");
  EXPECT_EQ(second.at("device"), "cpu");
  EXPECT_EQ(second.at("peak_bytes"), 1000);
  EXPECT_EQ(second.at("sent_bytes").at("all_reduce"), 64);
  EXPECT_EQ(second.at("stages").at("denoise").at("weights_bytes"), 500);
}

TEST(Report, LaysThePredictionBeside) {
  const Report report{.done = 1, .total_seconds = 1, .predicted = R"({"bubble": 0.25})"};
  EXPECT_EQ(nlohmann::json::parse(to_json(report)).at("predicted").at("bubble"), 0.25);
}

TEST(Report, OfNothingHasNoRate) {
  const auto json = nlohmann::json::parse(to_json(Report{}));
  EXPECT_EQ(json.at("images_per_hour"), 0.0);
  EXPECT_TRUE(json.at("ranks").empty());
}

TEST(RankReport, TravelsAsText) {
  const std::string text = to_text(rank(3, 7.25));
  EXPECT_EQ(to_text(rank_report(text)), text);
  EXPECT_EQ(rank_report(text).sent_bytes.at("point_to_point"), 8);
  EXPECT_EQ(rank_report(text).stages.at("denoise").seconds, 7.25);
}

TEST(StageClock, SumsTheTimeOfEachStage) {
  double time = 0;
  StageClock clock([&] { return time; });
  for (int step = 0; step < 3; ++step) {
    const auto scope = clock.time(Stage::kDenoise);
    time += 2;
  }
  {
    const auto scope = clock.time(Stage::kWrite);
    time += 0.5;
  }
  EXPECT_EQ(clock.seconds(Stage::kDenoise), 6.0);
  EXPECT_EQ(clock.seconds(Stage::kWrite), 0.5);
  EXPECT_EQ(clock.seconds(Stage::kDecode), 0.0);

  clock.count(Stage::kDenoise, 30);
  clock.count(Stage::kDenoise, 12);

  RankReport report;
  set_stages(report, clock);
  EXPECT_EQ(report.stages.at("denoise").seconds, 6.0);
  EXPECT_EQ(report.write_seconds, 0.5);
  EXPECT_EQ(report.stages.at("denoise").flops, 42);
  EXPECT_EQ(report.stages.at("decode").flops, 0);
}

TEST(PeakHostBytes, GrowsWithWhatIsTouched) {
  const std::int64_t before = peak_host_bytes();
  EXPECT_GT(before, 1 << 20);
  const std::int64_t free_again = before - host_bytes();  // of earlier tests: no new peak
  const std::vector<char> touched(static_cast<std::size_t>(free_again + (64 << 20)), 'x');
  EXPECT_GE(peak_host_bytes() - before, 60 << 20);
  EXPECT_EQ(touched.back(), 'x');
}

TEST(HostName, IsNotEmpty) {
  EXPECT_FALSE(host_name().empty());
}

}  // namespace
}  // namespace trireme
