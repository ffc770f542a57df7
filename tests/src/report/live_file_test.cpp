#include "src/report/live_file.h"

#include <sys/resource.h>

#include <csignal>

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

using LiveFileTest = FolderTest;
using Open = AppendedFile::Open;

TEST_F(LiveFileTest, IsReplacedAndLeavesNothingBesideIt) {
  const auto path = folder_ / "metrics" / "rank.prom";
  LiveFile file(path, {});
  file.replace("one\n");
  file.replace("two\n");
  EXPECT_EQ(content(path), "two\n");
  EXPECT_EQ(names(folder_ / "metrics"), std::set<std::string>{"rank.prom"});
}

TEST_F(LiveFileTest, WhatAKilledProcessLeftIsRemoved) {
  put(folder_ / ".rank.prom.123", "half");
  put(folder_ / ".other.prom.123", "somebody else's");
  const LiveFile file(folder_ / "rank.prom", {});
  EXPECT_EQ(names(folder_), std::set<std::string>{".other.prom.123"});
}

TEST_F(LiveFileTest, AFailureIsToldOnceAndEndsNothing) {
  put(folder_ / "metrics", "no folder");
  std::vector<std::string> told;
  LiveFile file(folder_ / "metrics" / "rank.prom", [&](const auto& line) { told.push_back(line); });
  file.replace("one\n");
  file.replace("two\n");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("rank.prom] creating: Not a directory -> "), std::string::npos);
}

TEST_F(LiveFileTest, LinesAreAppendedByLaterRuns) {
  const auto path = folder_ / "logs" / "rank.jsonl";
  AppendedFile(path, Open::kGoesOn, {}).line("one");
  AppendedFile(path, Open::kGoesOn, {}).line("two");
  EXPECT_EQ(content(path), "one\ntwo\n");
  AppendedFile(path, Open::kBeginsAnew, {}).line("three");
  EXPECT_EQ(content(path), "three\n");
}

TEST_F(LiveFileTest, ALineThatWasCutSpoilsNoOther) {
  const auto path = folder_ / "rank.jsonl";
  put(path, "one\ntw");
  AppendedFile file(path, Open::kGoesOn, {});
  file.line("three");
  file.line("four");
  EXPECT_EQ(content(path), "one\ntw\nthree\nfour\n");
}

TEST_F(LiveFileTest, ADiskThatIsFullForAWhileCostsTheLinesOfThatWhile) {
  const auto path = folder_ / "rank.jsonl";
  std::vector<std::string> told;
  AppendedFile file(path, Open::kGoesOn, [&](const auto& line) { told.push_back(line); });
  file.line("one");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{6, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  file.line("two is cut");
  file.line("three is not there");
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, ignored);
  file.line("four");
  EXPECT_EQ(content(path), "one\ntw\nfour\n");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("rank.jsonl] writing: File too large"), std::string::npos);
}

}  // namespace
}  // namespace trireme
