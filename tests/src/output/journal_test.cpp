#include "src/output/journal.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "tests/support/model_disk.h"

namespace trireme {
namespace {

const std::string kPath = "/a.journal";

std::vector<SampleRecord> records() {
  return {
      {.index = 3, .file = "00000003.png", .bytes = 4, .sha256 = "ab", .members = {{"png", 4}}},
      {.index = 4, .verdict = Verdict::kFailed, .code = "nan", .reason = "step 2"},
      {.index = 5, .file = "00000005.png", .bytes = 2, .sha256 = "cd", .members = {{"png", 2}}}};
}

ModelDisk written() {
  ModelDisk disk;
  JournalWriter journal(disk, kPath);
  const char* members[] = {"four", "", "05"};
  for (std::size_t i = 0; i < 3; ++i) {
    journal.append(records()[i], members[i]);
    journal.sync();
  }
  return disk;
}

std::vector<SampleRecord> read(ModelDisk& disk) {
  std::vector<SampleRecord> found;
  for (auto& entry : read_journal(disk, kPath)) found.push_back(std::move(entry.record));
  return found;
}

// The first so many.
std::vector<SampleRecord> first(std::size_t count) {
  const auto all = records();
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
}

TEST(Journal, HoldsWhatWasAppended) {
  auto disk = written();
  EXPECT_EQ(read(disk), records());
  const auto entries = read_journal(disk, kPath);
  EXPECT_EQ(read_members(disk, kPath, entries[0].at, 4), "four");
  EXPECT_EQ(read_members(disk, kPath, entries[2].at, 2), "05");
}

TEST(Journal, OfAnotherWhoHasRemovedItIsEmpty) {
  ModelDisk disk;
  EXPECT_TRUE(read_journal(disk, kPath).empty());
  EXPECT_EQ(read_members(disk, kPath, 20, 4), "");
}

TEST(Journal, WhatWasSyncedStays) {
  auto disk = written();
  JournalWriter more(disk, "/b.journal");
  more.append(records()[0], "four");
  auto cut = disk.after_worst_power_cut();
  EXPECT_EQ(read(cut), records());
  EXPECT_FALSE(cut.has("/b.journal"));
}

TEST(Journal, CutAtAnyByteKeepsWhatStandsBefore) {
  const auto disk = written();
  const auto all = disk.content(kPath);
  std::size_t before = 0;
  for (std::size_t size = 0; size <= all.size(); ++size) {
    auto cut = disk;
    cut.damage(kPath, all.substr(0, size));
    const auto found = read(cut);
    ASSERT_EQ(found, first(found.size())) << size;
    ASSERT_GE(found.size(), before);  // more bytes never hold less
    before = found.size();
  }
  EXPECT_EQ(before, 3U);
}

TEST(Journal, AnyChangedByteEndsItThere) {
  const auto disk = written();
  const auto all = disk.content(kPath);
  for (std::size_t at = 0; at < all.size(); ++at) {
    auto changed = all;
    changed[at] = static_cast<char>(changed[at] ^ 0x20);
    auto damaged = disk;
    damaged.damage(kPath, changed);
    const auto found = read(damaged);
    ASSERT_LT(found.size(), 3U) << at;
    ASSERT_EQ(found, first(found.size())) << at;
  }
}

// As some file systems fill what a power cut took.
TEST(Journal, ZeroesBehindItAreNothing) {
  auto disk = written();
  disk.damage(kPath, disk.content(kPath) + std::string(100, '\0'));
  EXPECT_EQ(read(disk), records());
}

// It could not be read again, nor what stands behind it.
TEST(Journal, ARecordTooLongToBeReadIsRefused) {
  ModelDisk disk;
  JournalWriter journal(disk, kPath);
  try {
    journal.append({.index = 7, .reason = std::string(2 << 20, 'x')}, "");
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBug);
  }
}

TEST(Journal, FullDiskIsSaidWithItsName) {
  ModelDisk disk;
  JournalWriter journal(disk, kPath);
  journal.append(records()[0], "four");
  disk.fail({Fault::Kind::kFull, 0, ENOSPC});
  try {
    journal.sync();
    FAIL() << "no room, and no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kInputOutput);
    EXPECT_EQ(std::string(error.what()).find("[/a.journal] writing: No space left"), 0U);
  }
}

}  // namespace
}  // namespace trireme
