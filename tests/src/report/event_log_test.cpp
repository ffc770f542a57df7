#include "src/report/event_log.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

using EventLogTest = FolderTest;

// A log on clocks that stand until they are moved.
class StoppedLog {
 public:
  explicit StoppedLog(const std::filesystem::path& path)
      : path_(path),
        log_(path, {.run = "r",
                    .rank = 2,
                    .now = [this] { return now_; },
                    .wall_clock = [this] { return 1000 + now_; }}) {}

  void pass(double seconds) { now_ += seconds; }
  void write(const Event& event) { log_.write(event); }
  std::string text() const { return content(path_); }

 private:
  std::filesystem::path path_;
  double now_ = 50;
  EventLog log_;
};

std::vector<LoggedEvent> events(const std::filesystem::path& path) {
  std::vector<LoggedEvent> all;
  read_events(path, [&](const LoggedEvent& event) { all.push_back(event); });
  return all;
}

TEST_F(EventLogTest, ALineSaysWhenAndWhose) {
  StoppedLog log(folder_ / "a" / "log.jsonl");
  log.pass(1.25);
  log.write(ShardClaimed{.shard = 4, .first = 4000, .count = 1000, .there = 3});
  EXPECT_EQ(log.text(), R"({"time":"1970-01-01T00:17:31.250Z","seconds":1.25,"run":"r","rank":2,)"
                        R"("event":"shard_claimed","shard":4,"first":4000,"count":1000,"there":3})"
                        "\n");
}

TEST(EventLog, EveryEventComesBackAsItWas) {
  const std::vector<Event> all = {
      Unknown{"of_a_later_version"},
      RunStarted{.host = "h",
                 .device = "cuda",
                 .ranks = 8,
                 .layout = "{\"replicas\":2}",
                 .samples = 10,
                 .versions = {{"trireme", "1"}}},
      BatchDone{.first = 8, .samples = 4, .seconds = {{"denoise", 1.5}}},
      SampleFailed{.index = 7, .row = 3, .code = "nan", .reason = "\"quoted\""},
      ShardClaimed{.shard = 1},
      ShardSealed{.shard = 1, .done = 9, .failed = 1, .bytes = 100},
      Warned{"slow disk"},
      SignalCame{15},
      RunEnded{.exit_code = 85, .done = 4}};
  for (const auto& event : all) {
    const auto line = to_line({.time = 1.5, .seconds = 2, .run = "r", .rank = 1, .event = event});
    const auto back = parse_event(line);
    ASSERT_TRUE(back) << line;
    EXPECT_EQ(back->event.index(), event.index());
    EXPECT_EQ(back->time, 1.5);
    EXPECT_EQ(to_line(*back), line);
  }
}

TEST_F(EventLogTest, LinesThatAreCutAreNotRead) {
  const auto path = folder_ / "log.jsonl";
  const auto line = to_line({.event = Warned{"whole"}});
  put(path, line + "\n" + line.substr(0, 40) + "\n[1]\n\n" + line + "\n" + line.substr(0, 60));
  EXPECT_EQ(events(path).size(), 2u);
  EXPECT_TRUE(events(folder_ / "none.jsonl").empty());
}

TEST_F(EventLogTest, BatchesInQuickSuccessionShareALine) {
  const auto path = folder_ / "log.jsonl";
  StoppedLog log(path);
  const BatchDone batch{.first = 5, .samples = 2, .seconds = {{"denoise", 0.25}}};
  log.write(batch);
  EXPECT_EQ(events(path).size(), 1u);
  log.write(batch);
  log.pass(0.5);
  log.write(batch);
  EXPECT_EQ(events(path).size(), 1u);
  log.pass(0.5);
  log.write(batch);
  const auto all = events(path);
  ASSERT_EQ(all.size(), 2u);
  const auto& together = std::get<BatchDone>(all[1].event);
  EXPECT_EQ(together.batches, 3);
  EXPECT_EQ(together.samples, 6);
  EXPECT_EQ(together.seconds.at("denoise"), 0.75);
}

TEST_F(EventLogTest, ABatchThatWaitsStandsBeforeWhatFollows) {
  const auto path = folder_ / "log.jsonl";
  StoppedLog log(path);
  log.write(BatchDone{});
  log.write(BatchDone{});
  log.write(SignalCame{10});
  const auto all = events(path);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<BatchDone>(all[1].event));
  EXPECT_TRUE(std::holds_alternative<SignalCame>(all[2].event));
}

TEST_F(EventLogTest, ABatchThatWaitsAtTheEndIsWritten) {
  const auto path = folder_ / "log.jsonl";
  {
    StoppedLog log(path);
    log.write(BatchDone{});
    log.write(BatchDone{});
  }
  EXPECT_EQ(events(path).size(), 2u);
}

TEST(EventLog, HugeAndInvalidTextsStayLines) {
  std::string reason(300'000, 'x');
  reason.replace(1999, 3, "猫");
  reason[5] = '\xff';
  reason[6] = '\n';
  const auto line = to_line({.event = SampleFailed{.reason = reason}});
  EXPECT_LT(line.size(), 2200u);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto back = std::get<SampleFailed>(parse_event(line)->event).reason;
  EXPECT_EQ(back.substr(back.size() - 4), "x…");
}

}  // namespace
}  // namespace trireme
