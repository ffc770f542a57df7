#include "src/output/commit.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "src/output/writer.h"
#include "tests/src/output/small_job.h"
#include "tests/support/error_of.h"
#include "tests/support/model_disk.h"

namespace trireme {
namespace {

using Files = std::map<std::string, std::string>;

TEST(Commit, BytesHaveTheirNameAndSurviveThePower) {
  ModelDisk disk;
  commit(disk, "/a", "bytes");
  commit(disk, "/b", "");
  EXPECT_EQ(disk.contents(), (Files{{"/a", "bytes"}, {"/b", ""}}));
  EXPECT_EQ(disk.after_worst_power_cut().contents(), disk.contents());
}

TEST(Commit, EqualBytesThereAreASuccess) {
  ModelDisk disk;
  commit(disk, "/a", "bytes");
  commit(disk, "/a", "bytes");
  EXPECT_EQ(disk.contents(), (Files{{"/a", "bytes"}}));
}

TEST(Commit, OtherBytesThereStay) {
  for (const auto* others : {"BYTES", "byte", "bytes and more", ""}) {
    ModelDisk disk;
    commit(disk, "/a", others);
    const auto [exit, text] = error_of([&] { commit(disk, "/a", "bytes"); });
    EXPECT_EQ(exit, Exit::kCannotCreate);
    EXPECT_EQ(text.find("[/a] there with other bytes"), 0U);
    EXPECT_EQ(disk.contents(), (Files{{"/a", others}}));
  }
}

TEST(Commit, BlocksOfAnySizeAreCompared) {
  for (const std::size_t size : {65535U, 65536U, 65537U, 131072U}) {
    ModelDisk disk;
    std::string bytes(size, 'x');
    commit(disk, "/a", bytes);
    commit(disk, "/a", bytes);
    bytes.back() = 'y';
    EXPECT_EQ(error_of([&] { commit(disk, "/a", bytes); }).exit, Exit::kCannotCreate);
  }
}

TEST(Commit, WorksWithoutHardLinks) {
  ModelDisk disk;
  disk.forbid_links();
  commit(disk, "/a", "bytes");
  commit(disk, "/a", "bytes");
  EXPECT_EQ(error_of([&] { commit(disk, "/a", "other"); }).exit, Exit::kCannotCreate);
  EXPECT_EQ(disk.after_worst_power_cut().contents(), (Files{{"/a", "bytes"}}));
}

// NFS sends a request again whose answer was lost, and then finds the name taken: by itself.
TEST(Commit, ALinkThatCameThroughAndWasReportedAsTakenIsASuccess) {
  for (std::int64_t at = 0;; ++at) {
    ModelDisk disk;
    disk.fail({Fault::Kind::kLateError, at, EEXIST});
    const auto [exit, text] = error_of([&] { commit(disk, "/a", "bytes"); });
    if (!disk.last_call().starts_with("link")) continue;
    EXPECT_EQ(exit, Exit::kDone) << text;
    EXPECT_EQ(disk.contents(), (Files{{"/a", "bytes"}}));
    break;
  }
}

TEST(Commit, AnErrorNamesTheFileAndLeavesNothingHidden) {
  for (const int error : {ENOSPC, EDQUOT, EIO})
    for (std::int64_t at = 0; at < 5; ++at) {
      ModelDisk disk;
      disk.fail({Fault::Kind::kError, at, error});
      const auto [exit, text] = error_of([&] { commit(disk, "/folder", "bytes"); });
      if (exit == Exit::kDone) {
        EXPECT_EQ(disk.last_call().substr(0, 6), "remove");
        continue;
      }
      EXPECT_EQ(exit, Exit::kInputOutput);
      EXPECT_EQ(text.find("[/"), 0U) << text;
      for (const auto& [name, bytes] : disk.contents()) EXPECT_EQ(name, "/folder");
    }
}

TEST(Commit, SeveralShareTheSyncOfTheirFolder) {
  ModelDisk one, three;
  one.fail({});  // counts from here
  commit(one, "/a", "bytes");
  three.fail({});
  const std::map<std::filesystem::path, std::string_view> bytes_of = {
      {"/a", "bytes"}, {"/b", "other"}, {"/c", "more"}};
  commit(three, bytes_of);
  EXPECT_EQ(three.calls(), 3 * (one.calls() - 1) + 1);
  EXPECT_EQ(three.after_worst_power_cut().contents(),
            (Files{{"/a", "bytes"}, {"/b", "other"}, {"/c", "more"}}));
}

TEST(Commit, AMissingFolderIsNamed) {
  ModelDisk disk;
  const auto [exit, text] = error_of([&] { commit(disk, "/none/a", "bytes"); });
  EXPECT_EQ(exit, Exit::kCannotCreate);
  EXPECT_EQ(text.find("[/none/a] creating: No such file or directory"), 0U);
}

TEST(PendingFile, ThatIsGivenUpLeavesNothing) {
  ModelDisk disk;
  {
    PendingFile file(disk, "/a");
    file.write("some");
    PendingFile moved = std::move(file);
    moved.write(" more");
  }
  EXPECT_TRUE(disk.contents().empty());
}

TEST(Replace, PutsNewBytesInThePlaceOfOld) {
  ModelDisk disk;
  replace(disk, "/a", "old");
  replace(disk, "/a", "new");
  EXPECT_EQ(disk.after_worst_power_cut().contents(), (Files{{"/a", "new"}}));
}

TEST(ReadFile, ThatIsMissingOrCannotBeSeenIsToldApart) {
  ModelDisk disk;
  EXPECT_EQ(error_of([&] { read_file(disk, "/a"); }).exit, Exit::kMissingInput);
  EXPECT_FALSE(is_there(disk, "/a"));
  commit(disk, "/a", "bytes");
  disk.fail({Fault::Kind::kError, 0, EIO});
  EXPECT_EQ(error_of([&] { is_there(disk, "/a"); }).exit, Exit::kInputOutput);
}

TEST(MakeFolder, SurvivesThePowerAlsoIfAnotherMadeIt) {
  ModelDisk disk;
  make_folder(disk, "/a/b");
  disk.make_folder("/a/b/c");
  make_folder(disk, "/a/b/c");
  EXPECT_EQ(disk.after_worst_power_cut().folders(),
            (std::vector<std::string>{"/a", "/a/b", "/a/b/c"}));
  commit(disk, "/a/file", "");
  EXPECT_EQ(error_of([&] { make_folder(disk, "/a/file"); }).exit, Exit::kCannotCreate);
}

TEST(StaleFiles, AreThoseOfTheDead) {
  ModelDisk disk;
  const auto dead = "/.a.tmp-" + dead_writer(1) + "-0", ours = "/.a.tmp-" + this_writer() + "-0";
  const std::string unknown = "/.a.tmp-elsewhere-1-1-0", visible = "/a.tmp-x-0", other = "/.a";
  for (const auto& name : {dead, ours, unknown, visible, other}) disk.create(name);
  EXPECT_EQ(remove_stale_files(disk, "/"), 1);
  EXPECT_FALSE(disk.has(dead));
  EXPECT_EQ(remove_stale_files(disk, "/", true), 1);
  EXPECT_EQ(disk.contents().size(), 3U);
  EXPECT_TRUE(disk.has(ours));
}

}  // namespace
}  // namespace trireme
