#include "src/report/atomic_file.h"

#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using AtomicFileTest = FolderTest;

// What an action throws in a process of its own, where limits and users may be changed.
Exit exit_of_child(const std::function<void()>& action) {
  const pid_t child = fork();
  if (child == 0) _exit(static_cast<int>(error_of(action).exit()));
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? static_cast<Exit>(WEXITSTATUS(status)) : Exit::kBug;
}

TEST_F(AtomicFileTest, HasItsNameOnlyOnceCommitted) {
  const fs::path target = folder_ / "00000000.png";
  AtomicFile file(target);
  file.write("half");
  EXPECT_FALSE(fs::exists(target));
  ASSERT_EQ(names(folder_).size(), 1u);
  EXPECT_TRUE(is_hidden_name(*names(folder_).begin()));
  EXPECT_TRUE(names(folder_).begin()->starts_with(".00000000.png.tmp-"));

  file.write(" and half");
  file.commit();
  EXPECT_EQ(content(target), "half and half");
  EXPECT_EQ(names(folder_), std::set<std::string>{"00000000.png"});
}

TEST_F(AtomicFileTest, WithoutCommitWhatWasThereStays) {
  const fs::path target = folder_ / "job.json";
  write_atomically(target, "old");
  {
    AtomicFile file(target);
    file.write("new");
  }
  EXPECT_EQ(content(target), "old");
  EXPECT_EQ(names(folder_), std::set<std::string>{"job.json"});
}

TEST_F(AtomicFileTest, ReplacesAndMayBeEmpty) {
  const fs::path target = folder_ / "job.json";
  write_atomically(target, "old");
  write_atomically(target, "");
  EXPECT_TRUE(fs::exists(target));
  EXPECT_EQ(read_file(target), "");
}

TEST_F(AtomicFileTest, FilesAreAsOpenAsTheUmaskSays) {
  const mode_t before = umask(027);
  write_atomically(folder_ / "a", "x");
  umask(before);
  EXPECT_EQ(fs::status(folder_ / "a").permissions(), static_cast<fs::perms>(0640));
}

TEST_F(AtomicFileTest, AMovedFileIsWrittenOnce) {
  AtomicFile first(folder_ / "a");
  first.write("a");
  AtomicFile second(std::move(first));
  second.commit();
  EXPECT_EQ(content(folder_ / "a"), "a");
  EXPECT_EQ(error_of([&] { second.commit(); }).exit(), Exit::kBug);
  EXPECT_EQ(error_of([&] { second.write("x"); }).exit(), Exit::kBug);
}

TEST_F(AtomicFileTest, MissingFolderOrAFileInItsPlaceCannotBeCreated) {
  const Error missing = error_of([&] { AtomicFile(folder_ / "none" / "a"); });
  EXPECT_EQ(missing.exit(), Exit::kCannotCreate);
  EXPECT_NE(std::string(missing.what()).find("its folder is missing"), std::string::npos);

  put(folder_ / "file", "");
  EXPECT_EQ(error_of([&] { AtomicFile(folder_ / "file" / "a"); }).exit(), Exit::kCannotCreate);
  EXPECT_EQ(error_of([&] { make_folder(folder_ / "file"); }).exit(), Exit::kCannotCreate);
  EXPECT_EQ(error_of([&] { make_folder(folder_ / "file" / "a"); }).exit(), Exit::kCannotCreate);
}

TEST_F(AtomicFileTest, AFolderInTheTargetsPlaceCannotBeReplaced) {
  fs::create_directory(folder_ / "a");
  EXPECT_EQ(error_of([&] { write_atomically(folder_ / "a", "x"); }).exit(), Exit::kCannotCreate);
  EXPECT_EQ(names(folder_), std::set<std::string>{"a"});
}

TEST_F(AtomicFileTest, NoPermissionIsSaid) {
  fs::permissions(folder_, static_cast<fs::perms>(0555));
  const auto write_as_nobody = [&] {
    if (geteuid() == 0 &&
        (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0)) {
      return;
    }
    AtomicFile(folder_ / "a");
  };
  EXPECT_EQ(exit_of_child(write_as_nobody), Exit::kNoPermission);
}

TEST_F(AtomicFileTest, AFullDiskIsSaidWithWhatIsFreeAndLeavesNothing) {
  std::string message;
  const Exit exit = exit_of_child([&] {
    signal(SIGXFSZ, SIG_IGN);  // the limit on file sizes stands for the disk's end
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const Error error = error_of([&] { write_atomically(folder_ / "a", std::string(5000, 'x')); });
    if (std::string(error.what()).find("free there") == std::string::npos) return;
    throw error;
  });
  EXPECT_EQ(exit, Exit::kInputOutput);
  EXPECT_TRUE(names(folder_).empty());
}

TEST_F(AtomicFileTest, AKilledProcessLeavesAHiddenFileThatIsRemovedLater) {
  const pid_t child = fork();
  if (child == 0) {
    AtomicFile file(folder_ / "00000007.png");
    file.write("half");
    kill(getpid(), SIGKILL);
  }
  waitpid(child, nullptr, 0);
  ASSERT_EQ(names(folder_).size(), 1u);

  AtomicFile alive(folder_ / "00000008.png");
  put(folder_ / ".hidden", "the user's");
  put(folder_ / ".a.tmp-1", "not our pattern");
  EXPECT_EQ(remove_stale_files(folder_), 1);
  EXPECT_EQ(names(folder_).size(), 3u);
  alive.commit();
  EXPECT_TRUE(fs::exists(folder_ / "00000008.png"));
}

TEST_F(AtomicFileTest, HiddenNamesAreOurs) {
  EXPECT_TRUE(is_hidden_name(".00000000.png.tmp-123-0123abcd"));
  for (const char* other : {"00000000.png", ".bashrc", ".a.tmp-", ".a.tmp-12", ".a.tmp-x-0123abcd",
                            ".a.tmp-12-0123abc", "a.tmp-12-0123abcd", ".a.tmp-12-0123abcg", ""}) {
    EXPECT_FALSE(is_hidden_name(other)) << other;
  }
}

TEST_F(AtomicFileTest, FoldersAreMadeWithThoseAbove) {
  make_folder(folder_ / "a" / "b" / "c");
  make_folder(folder_ / "a" / "b" / "c");
  EXPECT_TRUE(fs::is_directory(folder_ / "a" / "b" / "c"));
}

TEST_F(AtomicFileTest, AMissingFileToReadIsMissingInput) {
  EXPECT_EQ(error_of([&] { read_file(folder_ / "none"); }).exit(), Exit::kMissingInput);
}

}  // namespace
}  // namespace trireme
