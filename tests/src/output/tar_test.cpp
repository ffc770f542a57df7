#include "src/output/tar.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "parallel/error.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

using Members = std::vector<std::pair<std::string, std::string>>;

const Members kMembers = {{"00000000.json", R"({"prompt": "a cat"})"},
                          {"00000000.png", std::string(1025, 'x')},
                          {"00000000.txt", ""},
                          {"00000001.png", std::string(512, '\0')}};

std::string tar_of(const Members& members) {
  std::string bytes;
  TarWriter tar([&](std::string_view more) { bytes += more; });
  for (const auto& [name, content] : members) tar.member(name, content);
  tar.finish();
  return bytes;
}

void read_all(std::string_view bytes) {
  TarReader tar(bytes, "000000.tar");
  while (tar.next()) tar.bytes();
}

TEST(Tar, MembersComeBackInTheirOrder) {
  const std::string bytes = tar_of(kMembers);
  TarReader tar(bytes, "000000.tar");
  for (const auto& [name, content] : kMembers) {
    const auto member = tar.next();
    ASSERT_TRUE(member);
    EXPECT_EQ(member->name, name);
    EXPECT_EQ(tar.bytes(), content);
    EXPECT_EQ(bytes.substr(static_cast<std::size_t>(member->offset),
                           static_cast<std::size_t>(member->size)),
              content);
  }
  EXPECT_FALSE(tar.next());
}

TEST(Tar, ContentsMayBeSkipped) {
  const std::string bytes = tar_of(kMembers);
  TarReader tar(bytes, "000000.tar");
  std::size_t count = 0;
  while (tar.next()) ++count;
  EXPECT_EQ(count, kMembers.size());
}

// Byte by byte what stands in a header of ustar (POSIX.1-1988).
TEST(Tar, HeadersSayNothingOfWhenAndWho) {
  const std::string header = tar_of({{"00000007.png", "pixels"}}).substr(0, 512);
  EXPECT_EQ(header.substr(0, 13), std::string("00000007.png\0", 13));
  EXPECT_EQ(header.substr(100, 8), std::string("000644 \0", 8));
  EXPECT_EQ(header.substr(108, 8), std::string("000000 \0", 8));  // uid
  EXPECT_EQ(header.substr(116, 8), std::string("000000 \0", 8));  // gid
  EXPECT_EQ(header.substr(124, 12), "00000000006 ");              // size
  EXPECT_EQ(header.substr(136, 12), "00000000000 ");              // time
  EXPECT_EQ(header[156], '0');                                    // a plain file
  EXPECT_EQ(header.substr(257, 8), std::string("ustar\0"
                                               "00",
                                               8));
  EXPECT_EQ(header.substr(265, 64), std::string(64, '\0'));  // names of user and group
}

TEST(Tar, SameMembersGiveTheSameBytes) {
  EXPECT_EQ(tar_of(kMembers), tar_of(kMembers));
  EXPECT_EQ(tar_of({}), std::string(1024, '\0'));
}

TEST(Tar, GoesOnBehindAnyMember) {
  std::string first;
  TarWriter broken_off([&](std::string_view more) { first += more; });
  broken_off.member(kMembers[0].first, kMembers[0].second);
  broken_off.member(kMembers[1].first, kMembers[1].second);
  EXPECT_EQ(broken_off.size(), static_cast<std::int64_t>(first.size()));
  EXPECT_EQ(first.size(), 512u * (1 + 1 + 1 + 3));
  EXPECT_EQ(first + tar_of({kMembers.begin() + 2, kMembers.end()}), tar_of(kMembers));
}

TEST(Tar, NamesThatReadersWouldCutOtherwiseAreRefused) {
  for (const char* name : {"", "00000000", ".png", "00000000.", "a/b.png", "../x.png", "a b.png",
                           "a..png", "\u00e9.png"}) {
    EXPECT_EQ(error_of([&] { tar_of({{name, ""}}); }).exit, Exit::kBug) << name;
  }
  EXPECT_EQ(error_of([&] { tar_of({{std::string(97, 'a') + ".png", ""}}); }).exit, Exit::kBug);
  EXPECT_EQ(error_of([&] { tar_of({{std::string(96, 'a') + ".png", ""}}); }).exit, Exit::kDone);
  EXPECT_EQ(error_of([&] { tar_of({{"00000000.mask.png", ""}}); }).exit, Exit::kDone);
}

TEST(Tar, ASinkMayThrow) {
  TarWriter tar([](std::string_view) { throw Error(Exit::kInputOutput, "disk full"); });
  EXPECT_EQ(error_of([&] { tar.member("a.png", "x"); }).exit, Exit::kInputOutput);
}

TEST(Tar, WhateverIsCutOffOrAddedIsFound) {
  const std::string bytes = tar_of(kMembers);
  for (std::size_t length = 0; length < bytes.size(); length += 64) {
    EXPECT_EQ(error_of([&] { read_all(bytes.substr(0, length)); }).exit, Exit::kBadData) << length;
  }
  EXPECT_EQ(error_of([&] { read_all(bytes.substr(0, bytes.size() - 1)); }).exit, Exit::kBadData);
  EXPECT_EQ(error_of([&] { read_all(bytes + '\0'); }).exit, Exit::kBadData);
  EXPECT_EQ(error_of([&] { read_all(bytes + bytes); }).exit, Exit::kBadData);
  EXPECT_EQ(error_of([&] { read_all(bytes); }).exit, Exit::kDone);
}

TEST(Tar, EveryChangedByteOfAHeaderIsFound) {
  const std::string bytes = tar_of(kMembers);
  for (std::size_t at = 0; at < 512; ++at) {
    std::string damaged = bytes;
    damaged[1024 + at] ^= 1;  // the second member's
    // The spaces and NULs around the checksum itself mean nothing to readers.
    if (at >= 148 && at < 156) continue;
    EXPECT_EQ(error_of([&] { read_all(damaged); }).exit, Exit::kBadData) << at;
  }
}

TEST(Tar, EmptiedBlocksAreFound) {
  const std::string bytes = tar_of(kMembers);
  for (std::size_t at = 0; at + 1024 < bytes.size(); at += 512) {
    std::string damaged = bytes;
    damaged.replace(at, 512, 512, '\0');
    const bool header = at == 0 || at == 1024 || at == 3072 || at == 3584;
    EXPECT_EQ(error_of([&] { read_all(damaged); }).exit, header ? Exit::kBadData : Exit::kDone)
        << at;
  }
}

TEST(Tar, FilesAreListed) {
  const auto path = std::filesystem::path(testing::TempDir()) /
                    ("tar_test_" + std::to_string(::getpid()) + ".tar");
  std::ofstream(path, std::ios::binary) << tar_of(kMembers);
  const auto members = list_tar(path);
  ASSERT_EQ(members.size(), kMembers.size());
  EXPECT_EQ(members[1], (TarMember{"00000000.png", 1536, 1025}));
  std::ofstream(path, std::ios::binary) << "";
  EXPECT_EQ(error_of([&] { list_tar(path); }).exit, Exit::kBadData);
  std::filesystem::remove(path);
  EXPECT_EQ(error_of([&] { list_tar(path); }).exit, Exit::kMissingInput);
}

}  // namespace
}  // namespace trireme
