#include "src/report/output_folder.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

class OutputFolderTest : public FolderTest {
 protected:
  fs::path out() const { return folder_ / "runs" / "out"; }

  OutputOptions options(std::int64_t samples = 4) const {
    return {.samples = samples,
            .shard_size = 10,
            .job = R"({"model": {"path": "sd3"}, "sampling": {"seed": 0}, "layout": "auto"})",
            .fingerprint = "f0"};
  }
  OutputFolder open(std::int64_t samples = 4) const {
    return OutputFolder::open(out(), options(samples));
  }
};

std::vector<MetadataRow> rows(std::vector<std::int64_t> indices, std::string status = "done") {
  std::vector<MetadataRow> made;
  for (const std::int64_t index : indices) {
    made.push_back({.index = index,
                    .prompt = "prompt " + std::to_string(index),
                    .seed = static_cast<std::uint64_t>(index),
                    .model = "sd3",
                    .status = status});
  }
  return made;
}

TEST_F(OutputFolderTest, IsMadeWithTheJobInIt) {
  open();
  const auto job = nlohmann::json::parse(content(out() / "job.json"));
  EXPECT_EQ(job.at("fingerprint"), "f0");
  EXPECT_EQ(job.at("job").at("sampling").at("seed"), 0);
}

TEST_F(OutputFolderTest, NamesHaveEightDigits) {
  const OutputFolder folder = open();
  folder.write(3, "picture");
  EXPECT_EQ(folder.file_name(3), "00000003.png");
  EXPECT_EQ(content(out() / "00000003.png"), "picture");
}

TEST_F(OutputFolderTest, AboveOneShardThereAreSubFolders) {
  EXPECT_EQ(open(10).file_name(9), "00000009.png");
  const OutputFolder folder = OutputFolder(out(), options(11));
  EXPECT_EQ(folder.file_name(9), "00000/00000009.png");
  folder.write(10, "picture");
  EXPECT_EQ(content(out() / "00001" / "00000010.png"), "picture");
}

TEST_F(OutputFolderTest, KnowsWhatIsDone) {
  for (const std::int64_t samples : {10, 50}) {
    fs::remove_all(out());
    const OutputFolder folder = open(samples);
    folder.write(7, "picture");
    folder.write(2, "picture");
    EXPECT_TRUE(folder.is_done(7));
    EXPECT_FALSE(folder.is_done(3));
    put(folder.file_for(2).parent_path() / "00000004.txt", "another kind");
    put(folder.file_for(2).parent_path() / "4.png", "another name");
    EXPECT_EQ(folder.done_samples(), (std::vector<std::int64_t>{2, 7}));
  }
}

TEST_F(OutputFolderTest, AFileWrittenInPartsIsDoneWhenCommitted) {
  const OutputFolder folder = open(50);
  AtomicFile file = folder.begin_file(12);
  file.write("rows");
  EXPECT_FALSE(folder.is_done(12));
  file.commit();
  EXPECT_TRUE(folder.is_done(12));
}

TEST_F(OutputFolderTest, TheSameJobGoesOn) {
  open().write(0, "picture");
  EXPECT_TRUE(open().is_done(0));
}

TEST_F(OutputFolderTest, AnotherJobIsRefusedWithTheKeysThatDiffer) {
  open().write(0, "picture");
  OutputOptions other = options();
  other.job = R"({"model": {"path": "sd3.5"}, "sampling": {"seed": 3}, "layout": "balanced"})";
  other.fingerprint = "f1";
  const Error error = error_of([&] { OutputFolder::open(out(), other); });
  EXPECT_EQ(error.exit(), Exit::kBadJob);
  const std::string message = error.what();
  EXPECT_NE(message.find(R"(model.path was "sd3", is "sd3.5"; sampling.seed was 0, is 3 ->)"),
            std::string::npos)
      << message;
  EXPECT_EQ(message.find("layout"), std::string::npos) << message;
}

TEST_F(OutputFolderTest, AJobThatMadeNothingMayBeMended) {
  open();
  OutputOptions other = options();
  other.job = R"({"model": {"path": "sd3.5"}})";
  other.fingerprint = "f1";
  OutputFolder::open(out(), other);
  EXPECT_EQ(nlohmann::json::parse(content(out() / "job.json")).at("fingerprint"), "f1");
}

TEST_F(OutputFolderTest, OtherContentsOfTheSamePromptFileAreRefused) {
  open().write(0, "picture");
  OutputOptions other = options();
  other.fingerprint = "f1";
  const Error error = error_of([&] { OutputFolder::open(out(), other); });
  EXPECT_EQ(error.exit(), Exit::kBadJob);
  EXPECT_NE(std::string(error.what()).find("a file that it names has other contents"),
            std::string::npos);
}

TEST_F(OutputFolderTest, LongValuesAreComparedWholeAndShownShort) {
  OutputOptions before = options();
  before.job = R"({"prompts": [")" + std::string(200, 'x') + R"( cat"]})";
  OutputFolder::open(out(), before).write(0, "picture");
  OutputOptions after = before;
  after.job = R"({"prompts": [")" + std::string(200, 'x') + R"( dog"]})";
  after.fingerprint = "f1";
  const std::string message = error_of([&] { OutputFolder::open(out(), after); }).what();
  EXPECT_NE(message.find("prompts.0 was \"xxxx"), std::string::npos) << message;
  EXPECT_LT(message.size(), 400u);
}

TEST_F(OutputFolderTest, OnlyTheFirstDifferencesAreShown) {
  OutputOptions before = options();
  before.job = R"({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1})";
  OutputFolder::open(out(), before).write(0, "picture");
  OutputOptions after = before;
  after.job = R"({"a": 2, "b": 2, "c": 2, "d": 2})";
  after.fingerprint = "f1";
  const std::string message = error_of([&] { OutputFolder::open(out(), after); }).what();
  EXPECT_NE(message.find("a was 1, is 2; b was 1, is 2; c was 1, is 2; and 2 more"),
            std::string::npos)
      << message;
}

TEST_F(OutputFolderTest, ALayoutMayChangeBetweenRuns) {
  open().write(0, "picture");
  OutputOptions other = options();
  other.job = R"({"model": {"path": "sd3"}, "sampling": {"seed": 0}, "layout": "balanced"})";
  EXPECT_TRUE(OutputFolder::open(out(), other).is_done(0));
}

TEST_F(OutputFolderTest, SamplesOfUnknownOriginAreRefused) {
  open().write(0, "picture");
  fs::remove(out() / "job.json");
  EXPECT_EQ(error_of([&] { open(); }).exit(), Exit::kCannotCreate);
}

TEST_F(OutputFolderTest, OtherFilesDoNotMatter) {
  fs::create_directories(out());
  put(out() / "notes.txt", "mine");
  open();
  EXPECT_EQ(content(out() / "notes.txt"), "mine");
}

TEST_F(OutputFolderTest, ADamagedJobFileIsSaid) {
  open().write(0, "picture");
  put(out() / "job.json", "{");
  EXPECT_EQ(error_of([&] { open(); }).exit(), Exit::kCannotCreate);
}

TEST_F(OutputFolderTest, AFileInItsPlaceIsSaid) {
  fs::create_directories(out().parent_path());
  put(out(), "");
  EXPECT_EQ(error_of([&] { open(); }).exit(), Exit::kCannotCreate);
}

TEST_F(OutputFolderTest, WhatKilledRunsLeftIsRemoved) {
  open(50).write(12, "picture");
  put(out() / ".metadata.jsonl.tmp-99-0123abcd", "half");
  put(out() / "00001" / ".00000013.png.tmp-99-0123abcd", "half");
  open(50);
  EXPECT_EQ(names(out()), (std::set<std::string>{"00001", "job.json"}));
  EXPECT_EQ(names(out() / "00001"), std::set<std::string>{"00000012.png"});
}

TEST_F(OutputFolderTest, MetadataIsSortedAndNamesEveryFile) {
  const OutputFolder folder = open(50);
  folder.write(12, "picture");
  folder.write(2, "picture");
  folder.write_metadata(rows({12, 2}));
  const auto lines = parse_metadata(content(out() / "metadata.jsonl"), "metadata.jsonl");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines.at(2).line.starts_with(R"({"file_name":"00000/00000002.png","index":2,)"));
  EXPECT_TRUE(content(out() / "metadata.jsonl").starts_with(lines.at(2).line + "\n"));
}

TEST_F(OutputFolderTest, ABrokenOffRunGivesTheSameMetadataInTheEnd) {
  const OutputFolder whole = open();
  for (const std::int64_t index : {0, 1, 2, 3}) whole.write(index, "picture");
  whole.write_metadata(rows({0, 1, 2, 3}));
  const std::string expected = content(out() / "metadata.jsonl");
  fs::remove_all(out());

  open().write(2, "picture");
  open().write_metadata(rows({2}));
  for (const std::int64_t index : {3, 0}) open().write(index, "picture");
  open().write_metadata(rows({3, 0}));
  open().write(1, "picture");
  open().write_metadata(rows({1}));
  EXPECT_EQ(content(out() / "metadata.jsonl"), expected);
}

TEST_F(OutputFolderTest, AFailedSampleThatSucceedsLaterIsDone) {
  const OutputFolder folder = open();
  folder.write_metadata(rows({1}, "failed"));
  EXPECT_EQ(parse_metadata(content(out() / "metadata.jsonl"), "").at(1).status, "failed");
  folder.write(1, "picture");
  folder.write_metadata(rows({1}));
  EXPECT_EQ(parse_metadata(content(out() / "metadata.jsonl"), "").at(1).status, "done");
}

TEST_F(OutputFolderTest, ARowWhosePictureWasTakenAwayGoes) {
  const OutputFolder folder = open();
  folder.write(0, "picture");
  folder.write(1, "picture");
  folder.write_metadata(rows({0, 1}));
  fs::remove(folder.file_for(0));
  folder.write_metadata({});
  EXPECT_EQ(parse_metadata(content(out() / "metadata.jsonl"), "").count(0), 0u);
}

TEST_F(OutputFolderTest, MetadataNoneWritesNone) {
  OutputOptions none = options();
  none.metadata = MetadataDetail::kNone;
  const OutputFolder folder = OutputFolder::open(out(), none);
  folder.write(0, "picture");
  folder.write_metadata(rows({0}));
  EXPECT_FALSE(fs::exists(out() / "metadata.jsonl"));
}

// Four writers at once, killed at a random moment: what is there is whole, and the rest is made by
// a second run.
TEST_F(OutputFolderTest, KilledRunsLeaveOnlyWholeSamples) {
  const std::string picture(200000, 'p');
  for (int round = 0; round < 5; ++round) {
    const OutputFolder folder = open(40);
    std::vector<pid_t> ranks;
    for (int rank = 0; rank < 4; ++rank) {
      ranks.push_back(fork());
      if (ranks.back() != 0) continue;
      for (std::int64_t index = rank; index < 40; index += 4) {
        if (!folder.is_done(index)) folder.write(index, picture);
      }
      _exit(0);
    }
    usleep(static_cast<useconds_t>(1000 + 3000 * round));
    for (const pid_t rank : ranks) kill(rank, SIGKILL);
    for (const pid_t rank : ranks) waitpid(rank, nullptr, 0);
    for (const std::int64_t index : folder.done_samples()) {
      ASSERT_EQ(fs::file_size(folder.file_for(index)), picture.size());
    }
  }
  const OutputFolder folder = open(40);
  for (std::int64_t index = 0; index < 40; ++index) {
    if (!folder.is_done(index)) folder.write(index, picture);
  }
  EXPECT_EQ(folder.done_samples().size(), 40u);
  for (const auto& entry : fs::recursive_directory_iterator(out())) {
    EXPECT_FALSE(is_hidden_name(entry.path().filename().string())) << entry.path();
  }
}

}  // namespace
}  // namespace trireme
