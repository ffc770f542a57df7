#include "src/render/watch.h"

#include <vector>

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

using WatchTest = FolderTest;

std::vector<Event> logged(const std::filesystem::path& output) {
  std::vector<Event> all;
  read_events(output / log_name(2), [&](const LoggedEvent& event) { all.push_back(event.event); });
  return all;
}

TEST_F(WatchTest, TellsOfARunFromItsBeginningToItsEnd) {
  double now = 10;
  StageClock clock([&] { return now; });
  Watch watch({.output = folder_, .rank = 2, .start = {.replica = 1, .samples = 8}}, clock);
  const auto work = [&](double seconds) {
    const auto timer = clock.time(Stage::kDenoise);
    now += seconds;
  };
  work(3);
  watch.stepped(4);
  watch.counted({.done = 1, .failed = 1});
  watch.sample_failed({.index = 1, .code = "nan"});
  watch.batch_done(0);
  work(2);
  watch.counted({.done = 4, .failed = 1});
  watch.signal_came(15);
  watch.ended(85);

  const auto events = logged(folder_);
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(std::get<RunStarted>(events[0]).samples, 8);
  EXPECT_EQ(std::get<BatchDone>(events[2]).seconds.at("denoise"), 3);
  EXPECT_EQ(std::get<BatchDone>(events[2]).samples, 2);
  EXPECT_EQ(std::get<BatchDone>(events[4]).seconds.at("denoise"), 2);
  EXPECT_EQ(std::get<BatchDone>(events[4]).samples, 3);
  EXPECT_EQ(std::get<RunEnded>(events[5]).done, 4);
  const auto metrics = content(folder_ / metrics_name(2));
  const auto labels = "rank=\"2\",output=\"" + folder_.string() + "\"";
  EXPECT_NE(metrics.find("trireme_exit_code{" + labels + "} 85\n"), std::string::npos);
  EXPECT_NE(metrics.find("trireme_seconds_total{" + labels + ",stage=\"denoise\"} 5\n"),
            std::string::npos);
}

TEST_F(WatchTest, ItsTraceGoesWhenTheWholeOneIsThere) {
  const StageClock clock;
  Watch watch({.output = folder_ / "out", .rank = 2, .trace = folder_ / "t.json"}, clock);
  watch.recorded({});
  EXPECT_TRUE(std::filesystem::exists(folder_ / "t.json.rank-00002"));
  watch.trace_is_whole();
  EXPECT_EQ(names(folder_), std::set<std::string>{"out"});
}

TEST_F(WatchTest, AnOutputThatCannotBeWrittenEndsNothing) {
  put(folder_ / "out", "no folder");
  const StageClock clock;
  std::vector<std::string> told;
  Watch watch({.output = folder_ / "out", .tell = [&](const auto& line) { told.push_back(line); }},
              clock);
  watch.counted({});
  watch.ended(0);
  EXPECT_EQ(told.size(), 2u);  // the log and the metrics, once each
}

}  // namespace
}  // namespace trireme
