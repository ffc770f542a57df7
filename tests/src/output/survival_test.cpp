// The promise of an output folder, tried at every call: whatever fails, is killed or loses power
// when, the same command run again brings the same bytes, and nothing incomplete is ever seen.
#include "tests/src/output/survival.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <iostream>

namespace trireme {
namespace {

using Kind = Fault::Kind;

std::string listed(const Survival& survival) {
  std::string text;
  for (const auto& problem : survival.problems()) text += problem + "\n";
  return text;
}

// Kills at every `step`th call from this disk on, and power cuts there; the disks that are left.
std::vector<ModelDisk> kill_everywhere(Survival& survival, const ModelDisk& start,
                                       std::int64_t first = 0, std::int64_t step = 1) {
  std::vector<ModelDisk> left;
  const auto calls = survival.calls_from(start);
  for (std::int64_t at = first; at <= calls; at += step)
    for (const auto kind : {Kind::kKill, Kind::kTornKill})
      for (auto& disk : survival.after_kill_at(start, {kind, at}))
        if (survival.settle(disk)) left.push_back(std::move(disk));
  return left;
}

void fail_everywhere(Survival& survival, const ModelDisk& start) {
  const auto calls = survival.calls_from(start);
  for (std::int64_t at = 0; at < calls; ++at) {
    for (const int error : {EIO, ENOSPC, EDQUOT, EINTR})
      survival.settle(survival.after_error_at(start, {Kind::kError, at, error}));
    survival.settle(survival.after_error_at(start, {Kind::kLateError, at, EIO}));
    survival.settle(survival.after_error_at(start, {Kind::kShort, at}));
    survival.settle(survival.after_error_at(start, {Kind::kFull, at, ENOSPC}));
  }
}

// What is not whole any more, by its bytes; of no bytes: lost.
using Damage = std::map<std::string, std::string>;

struct Scenario {
  std::string name;
  bool is_tar = false;
  bool has_links = true;
  Damage damage = {};
};

// Where all is done and then damaged; or nothing is.
ModelDisk start_of(Survival& survival, const Scenario& scenario) {
  if (scenario.damage.empty()) return survival.nothing();
  auto disk = survival.done();
  for (const auto& [name, bytes] : scenario.damage) {
    const auto path = kOut + "/" + name;
    survival.excuse(path, bytes);
    if (bytes.empty()) {
      disk.lose(path);
    } else {
      disk.damage(path, bytes);
    }
  }
  return disk;
}

// One accident at every call; then, from some of the disks that are left, a second one while the
// next run mends the first.
void have_accidents(Survival& survival, const ModelDisk& start) {
  constexpr std::size_t kSecondFrom = 4;
  constexpr std::int64_t kStep = 7;
  const auto left = kill_everywhere(survival, start);
  fail_everywhere(survival, start);
  survival.count_runs(1);
  for (std::size_t i = 0; i < kSecondFrom; ++i)
    kill_everywhere(survival, left[left.size() * i / kSecondFrom], static_cast<std::int64_t>(i),
                    kStep);
}

const std::vector<Scenario> kScenarios = {
    {.name = "Files"},
    {.name = "Tar", .is_tar = true},
    {.name = "FilesWithoutLinks", .has_links = false},
    {.name = "DamagedFiles",
     .damage = {{"00000/00000002.png", "pictuRe 2"}, {"00001/00000006.png", ""}}},
    {.name = "DamagedManifests",
     .damage = {{"000000.json", "{\"shard\":0,\"first\":0,"}, {"000001.json", ""}}},
    {.name = "DamagedTars",
     .is_tar = true,
     .damage = {{"000000.tar", "not a tar"}, {"000001.tar", ""}}}};

// One test and not one a scenario: how many states there were is a part of the promise.
TEST(SurvivalTest, AnyAccidentAtAnyCall) {
  std::int64_t states = 0;
  for (const auto& scenario : kScenarios) {
    const auto begin = std::chrono::steady_clock::now();
    Survival survival({.is_tar = scenario.is_tar}, scenario.has_links);
    have_accidents(survival, start_of(survival, scenario));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << scenario.name << ": " << survival.states() << " states, " << survival.different()
              << " different, " << took.count() << " s\n";
    EXPECT_TRUE(survival.problems().empty()) << scenario.name << ": " << listed(survival);
    states += survival.states();
  }
  EXPECT_GE(states, 100'000);
}

}  // namespace
}  // namespace trireme
