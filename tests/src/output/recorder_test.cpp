// Recorder with its threads, on the real disk.
#include "src/output/recorder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/writer.h"
#include "tests/src/output/small_job.h"
#include "tests/support/model_disk.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

class FullDisk : public Disk {
 public:
  std::int64_t write(std::int64_t, std::string_view) override { return -ENOSPC; }
};

class RecorderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "recorder-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    out_ = name;
  }
  void TearDown() override { fs::remove_all(out_); }

  // Puts all samples of the job.
  void put_all(Recorder& recorder, const ShardStore& store) {
    for (std::int64_t place = 0; place < store.shards().size(); ++place)
      for (const auto& portion : portions_of(store.shards(), place, job_.portion)) {
        recorder.begin(portion, job_.portion, 0);
        for (auto position = portion.first; position < portion.end; ++position)
          recorder.put(finisher(position), 10);
      }
  }

  std::function<Finished()> finisher(std::int64_t position) {
    const auto index = job_.indices[static_cast<std::size_t>(position)];
    return [job = job_, index] { return job.sample(index); };
  }

  void no_more_waits_than(RecorderOptions bounds) {
    Disk disk;
    const ShardStore store(disk, out_, job_.store_options());
    Claims claims(disk, out_ / "claims", {.writer = this_writer(), .now = [] { return 0.0; }});
    std::promise<void> gate;
    const auto opened = gate.get_future().share();
    bounds.writer = this_writer();
    Recorder recorder(disk, store, claims, bounds);
    std::atomic<int> put = 0;
    auto putter = std::async(std::launch::async, [&] {
      for (std::int64_t position = 0; position < 5; ++position, ++put)
        recorder.put(
            [opened, finish = finisher(position)] {
              opened.wait();
              return finish();
            },
            10);
    });
    EXPECT_EQ(putter.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
    EXPECT_LE(put, 2);
    EXPECT_LE(recorder.waiting(), 2);
    gate.set_value();
    putter.get();
    recorder.finish();
    EXPECT_GT(recorder.seconds_waited(), 0.1);
    EXPECT_EQ(recorder.recorded().all(), 5);
  }

  SmallJob job_;
  fs::path out_;
};

TEST_F(RecorderTest, MakesTheBytesThatStepByStepAreMade) {
  for (const bool is_tar : {false, true}) {
    job_.is_tar = is_tar;
    const auto out = out_ / (is_tar ? "tar" : "files");
    Disk disk;
    const ShardStore store(disk, out, job_.store_options());
    Claims claims(disk, store.work_folder() / "claims",
                  {.writer = this_writer(), .now = [] { return 0.0; }});
    std::atomic<int> sealed = 0;
    Recorder recorder(disk, store, claims,
                      {.writer = this_writer(), .sealed = [&](const auto&) { ++sealed; }});
    put_all(recorder, store);
    recorder.finish();
    EXPECT_EQ(sealed, 2);
    EXPECT_EQ(recorder.recorded(), (Verdicts{.done = 3, .failed = 1, .skipped = 1}));
    EXPECT_EQ(recorder.waiting(), 0);
    ModelDisk model;
    run(job_, model, dead_writer(1));
    for (const auto& [path, bytes] : visible(model.contents())) {
      if (path == kOut + "/job.json" || path == kOut + "/report.json") continue;
      EXPECT_EQ(read_file(out.string() + path.substr(kOut.size())), bytes) << path;
    }
    EXPECT_FALSE(fs::exists(out / ".trireme/000000"));
    EXPECT_TRUE(fs::is_empty(out / ".trireme/claims"));
  }
}

// What waits is lost with the process.
TEST_F(RecorderTest, NoMoreBytesWaitThanAreAllowed) {
  no_more_waits_than({.most_bytes = 25});
}

TEST_F(RecorderTest, NoMoreSamplesWaitThanAreAllowed) {
  no_more_waits_than({.most_samples = 2});
}

TEST_F(RecorderTest, ASampleAboveTheBoundPassesAlone) {
  Disk disk;
  const ShardStore store(disk, out_, job_.store_options());
  Claims claims(disk, out_ / "claims", {.writer = this_writer(), .now = [] { return 0.0; }});
  Recorder recorder(disk, store, claims, {.writer = this_writer(), .most_bytes = 5});
  for (std::int64_t position = 0; position < 5; ++position) recorder.put(finisher(position), 10);
  recorder.finish();
  EXPECT_EQ(recorder.recorded().all(), 5);
}

TEST_F(RecorderTest, WhatASampleThrowsComesOutOfFinish) {
  Disk disk;
  const ShardStore store(disk, out_, job_.store_options());
  Claims claims(disk, out_ / "claims", {.writer = this_writer(), .now = [] { return 0.0; }});
  Recorder recorder(disk, store, claims, {.writer = this_writer()});
  recorder.put([]() -> Finished { throw Error(Exit::kBug, "[sample] broken"); }, 10);
  EXPECT_THROW(recorder.finish(), Error);
  EXPECT_THROW(recorder.put(finisher(0), 10), Error);
}

TEST_F(RecorderTest, AFullDiskComesOutWithItsExitCode) {
  Disk disk;
  FullDisk full;
  const ShardStore store(full, out_, job_.store_options());
  Claims claims(disk, out_ / "claims", {.writer = this_writer(), .now = [] { return 0.0; }});
  Recorder recorder(full, store, claims, {.writer = this_writer()});
  recorder.put(finisher(0), 10);
  try {
    recorder.finish();
    FAIL() << "no room, and no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kInputOutput);
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos);
  }
}

// A drained process waits for nothing that was not asked for.
TEST_F(RecorderTest, EndsWithoutFinish) {
  Disk disk;
  const ShardStore store(disk, out_, job_.store_options());
  Claims claims(disk, out_ / "claims", {.writer = this_writer(), .now = [] { return 0.0; }});
  Recorder recorder(disk, store, claims, {.writer = this_writer()});
  put_all(recorder, store);
}

}  // namespace
}  // namespace trireme
