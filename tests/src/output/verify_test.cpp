#include "src/output/verify.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/config/describe_job.h"
#include "src/output/commit.h"
#include "src/output/crew.h"
#include "src/output/described.h"
#include "src/output/journal.h"
#include "src/output/output_folder.h"
#include "src/output/output_job.h"
#include "src/output/sha256.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int kFailed = 3;  // the sample that has no file

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

void flip(const fs::path& file, std::size_t at) {
  auto bytes = bytes_of(file);
  bytes.at(at) ^= 1;
  write(file, bytes);
}

std::string picture(std::int64_t index) {
  return "picture " + std::to_string(index);
}

// Reads what picture() writes.
void decode(std::string_view bytes, const std::string& name) {
  if (!bytes.starts_with("picture "))
    throw Error(Exit::kBadData, "[" + name + "] no picture -> a picture -> damaged");
}

// An output folder of seven samples in shards of three: indices 1 to 5, 9 and 10.
class Output {
 public:
  explicit Output(const std::string& container, std::int64_t shard_size = 3)
      : path(fs::temp_directory_path() / ("verify-" + std::to_string(getpid()))) {
    fs::remove_all(path);
    const ordered_json job = {{"version", 1},
                              {"model", {{"path", "m"}}},
                              {"sampling", {{"seed", 0}}},
                              {"stages", {"encode", "denoise", "decode"}},
                              {"output",
                               {{"path", path.string()},
                                {"format", "png"},
                                {"container", container},
                                {"shard_size", shard_size},
                                {"metadata", "full"}}}};
    const ordered_json made_of = {{"rows", "hash"}, {"indices", {{1, 5}, {9, 10}}}};
    begin_output(disk, path,
                 {.job = job.dump(),
                  .made_of = made_of.dump(),
                  .fingerprint = fingerprint_of(job, made_of.dump())});
    store.emplace(disk, path, read_output_job(disk, path).store);
  }
  ~Output() { fs::remove_all(path); }

  SampleRecord record(std::int64_t index) const {
    if (index == kFailed)
      return {.index = index, .verdict = Verdict::kFailed, .code = "nan", .reason = "after step 2"};
    const auto bytes = picture(index);
    SampleRecord record{.index = index,
                        .file = store->file_name(index),
                        .bytes = static_cast<std::int64_t>(bytes.size()),
                        .sha256 = sha256_of(bytes)};
    if (store->is_tar())
      record.members = {{"json", static_cast<std::int64_t>(json(index).size())},
                        {"png", record.bytes}};
    return record;
  }
  std::string json(std::int64_t index) const {
    return ordered_json{{"file_name", store->file_name(index)}, {"index", index}}.dump();
  }

  void record_shard(std::int64_t place) {
    JournalWriter journal = store->open_journal(place, "test");
    const auto& shard = store->shards()[place];
    const auto job = read_output_job(disk, path);
    for (auto position = shard.first; position < shard.end; ++position) {
      const auto index = job.store.index_of(position);
      const auto made = record(index);
      if (made.verdict == Verdict::kDone && !store->is_tar()) {
        store->make_folder_for(index);
        commit(disk, store->file_for(index), picture(index));
      }
      journal.append(made, store->is_tar() && made.verdict == Verdict::kDone
                               ? json(index) + picture(index)
                               : "");
    }
    journal.sync();
  }

  void finish() {
    DescribedFile rows(disk, path, "metadata.jsonl"), failed(disk, path, "failed.jsonl");
    for (std::int64_t place = 0; place < store->shards().size(); ++place) {
      record_shard(place);
      ASSERT_TRUE(store->seal(place));
      for (const auto& sample : store->manifest(place).samples)
        rows.write(metadata_line({.index = sample.index, .status = to_string(sample.verdict)},
                                 store->file_name(sample.index), MetadataDetail::kFull) +
                   "\n");
    }
    failed.write("{\"index\":3,\"code\":\"nan\",\"reason\":\"after step 2\"}\n");
    failed.replace();
    if (!store->is_tar()) rows.replace();
    write(path / "report.json", "{}");
  }

  Verified verify(bool deep = false, int threads = 2) {
    return verify_output(disk, path, {.deep = deep, .threads = threads, .decode = decode});
  }
  // That exactly this is damaged.
  void expect_damage(const std::string& file, std::optional<std::int64_t> index = {}) {
    const auto found = verify();
    ASSERT_EQ(found.damages.size(), 1u) << to_json(found).dump(1);
    EXPECT_EQ(found.damages[0].file, file);
    EXPECT_EQ(found.damages[0].index, index);
  }

  fs::path path;
  Disk disk;
  std::optional<ShardStore> store;
};

TEST(Verify, WhatIsWholeIsOk) {
  for (const auto* container : {"folder", "webdataset"}) {
    Output out(container);
    out.finish();
    const auto found = out.verify(/*deep=*/true);
    EXPECT_TRUE(found.ok()) << to_json(found).dump(1);
    EXPECT_EQ(found.shards, 3);
    EXPECT_EQ(found.verdicts, (Verdicts{.done = 6, .failed = 1}));
    EXPECT_EQ(found.decoded, 6);
    EXPECT_EQ(found.open(), 0);
    EXPECT_TRUE(fs::exists(out.path / ".trireme" / "sealed" / "000001"));
  }
}

TEST(Verify, JsonHasItsFields) {
  Output out("folder");
  out.finish();
  fs::remove(out.path / "00000" / "00000002.png");
  const auto json = to_json(out.verify());
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["shards"], 3);
  EXPECT_EQ(json["samples"], 7);
  EXPECT_EQ(
      json["problems"],
      ordered_json::parse(R"([{"file": "00000/00000002.png", "index": 2, "what": "is missing"}])"));
}

TEST(Verify, FlippedBitsOfWhatCountsAreFound) {
  constexpr std::size_t kOfEachFile = 8;
  for (const auto* container : {"folder", "webdataset"}) {
    Output out(container);
    out.finish();
    for (const auto& entry : fs::recursive_directory_iterator(out.path)) {
      const auto file = fs::relative(entry.path(), out.path);
      if (!entry.is_regular_file() || file.begin()->string() == ".trireme" ||
          file == "report.json" || file == "job.json")
        continue;
      const auto whole = bytes_of(entry.path());
      const auto step = std::max<std::size_t>(1, whole.size() / kOfEachFile);
      for (std::size_t at = 0; at < whole.size(); at += step) {
        flip(entry.path(), at);
        EXPECT_FALSE(out.verify(false, 1).ok()) << file << " at " << at;
        write(entry.path(), whole);
      }
    }
    EXPECT_TRUE(out.verify().ok());
  }
}

TEST(Verify, DamageNamesItsFileAndSample) {
  Output out("folder");
  out.finish();
  const auto file = out.path / "00001" / "00000004.png";
  flip(file, 8);
  out.expect_damage("00001/00000004.png", 4);
  write(file, picture(4) + " ");
  out.expect_damage("00001/00000004.png", 4);
  write(file, picture(4));
  write(out.path / "00001" / "extra.png", "x");
  out.expect_damage("00001/extra.png");
  fs::rename(out.path / "00001" / "extra.png", out.path / "99999999.png");
  out.expect_damage("99999999.png");
  fs::rename(out.path / "99999999.png", out.path / "00001" / "00000003.png");
  out.expect_damage("00001/00000003.png");  // that sample failed
  fs::rename(out.path / "00001" / "00000003.png", out.path / "notes.txt");
  EXPECT_TRUE(out.verify().ok());  // the owner's
}

TEST(Verify, SwappedPicturesAreTwoDamages) {
  Output out("folder");
  out.finish();
  fs::rename(out.path / "00000/00000001.png", out.path / "00000/.x");
  fs::rename(out.path / "00000/00000002.png", out.path / "00000/00000001.png");
  fs::rename(out.path / "00000/.x", out.path / "00000/00000002.png");
  EXPECT_EQ(out.verify().damages.size(), 2u);
}

TEST(Verify, AMemberOfATarIsNamed) {
  Output out("webdataset");
  out.finish();
  const auto tar = out.path / "000001.tar";
  const auto at = bytes_of(tar).find("picture 5");
  flip(tar, at + 3);
  out.expect_damage("000001.tar", 5);
  flip(tar, at + 3);
  write(tar, bytes_of(tar).substr(0, at));
  EXPECT_EQ(out.verify().damages.at(0).file, "000001.tar");
  fs::remove(tar);
  out.expect_damage("000001.tar");
}

TEST(Verify, WhatIsLostIsMissed) {
  Output out("folder");
  out.finish();
  for (const auto* name : {"metadata.jsonl", "failed.jsonl"}) {
    const auto whole = bytes_of(out.path / name);
    fs::remove(out.path / name);
    out.expect_damage(name);
    write(out.path / name, whole);
  }
  fs::remove_all(out.path / ".trireme");  // the notes
  EXPECT_TRUE(out.verify().ok());
  fs::remove(out.path / "metadata.jsonl");
  out.expect_damage("metadata.jsonl");
}

TEST(Verify, WithoutNotesMetadataIsHeldAgainstManifests) {
  Output out("folder");
  out.finish();
  fs::remove_all(out.path / ".trireme");
  auto rows = bytes_of(out.path / "metadata.jsonl");
  rows.replace(rows.find("00000004.png"), 8, "00000005");
  write(out.path / "metadata.jsonl", rows);
  out.expect_damage("metadata.jsonl", 4);
}

TEST(Verify, WhatIsUnfinishedIsNoDamage) {
  for (const auto* container : {"folder", "webdataset"}) {
    Output out(container);
    EXPECT_TRUE(out.verify().ok());
    out.record_shard(0);
    ASSERT_TRUE(out.store->seal(0));
    out.record_shard(1);
    write(out.path / ".trireme" / "x", "");
    const auto found = out.verify();
    EXPECT_TRUE(found.ok()) << to_json(found).dump(1);
    EXPECT_EQ(found.shards, 1);
    EXPECT_EQ(found.open_shards, 2);
    EXPECT_EQ(found.verdicts, (Verdicts{.done = 4, .failed = 1}));
    EXPECT_EQ(found.open(), 2);
  }
}

TEST(Verify, ARecordedFileOfAnOpenShardIsMadeAgain) {
  Output out("folder");
  out.record_shard(1);
  flip(out.path / "00001" / "00000004.png", 8);
  out.expect_damage("00001/00000004.png", 4);
  EXPECT_TRUE(out.store->take_back_what_is_damaged().empty());
  EXPECT_FALSE(fs::exists(out.path / "00001" / "00000004.png"));
  EXPECT_EQ(out.store->recorded(1).size(), 2u);
}

TEST(Verify, TheNextRunLooksAgainAtWhatWasFoundDamaged) {
  Output out("folder");
  out.finish();
  const auto file = out.path / "00000" / "00000002.png";
  const auto date = fs::last_write_time(file);
  flip(file, 2);
  fs::last_write_time(file, date);  // as a disk damages it
  EXPECT_TRUE(out.store->take_back_what_is_damaged().empty());
  EXPECT_FALSE(out.verify().ok());
  EXPECT_EQ(out.store->take_back_what_is_damaged(), std::vector<std::string>{"00000/00000002.png"});
  EXPECT_FALSE(out.store->is_sealed(0));
  EXPECT_TRUE(out.store->is_sealed(1));
}

TEST(Verify, DeepFindsWhatAManifestWasMadeToFit) {
  Output out("folder");
  out.finish();
  const auto path = out.store->manifest_path(1);
  auto manifest = out.store->manifest(1);
  auto& sample = manifest.samples.back();
  const std::string bytes = "no image";
  sample.bytes = static_cast<std::int64_t>(bytes.size());
  sample.sha256 = sha256_of(bytes);
  sum_files(manifest);
  write(out.path / sample.file, bytes);
  write(path, to_text(manifest));
  EXPECT_TRUE(out.verify().ok());
  EXPECT_FALSE(out.verify(/*deep=*/true).ok());
  EXPECT_EQ(out.store->take_back_what_is_damaged(), std::vector<std::string>{sample.file});
}

TEST(Verify, AnEditedLineOfATarsManifestIsMadeAgain) {
  Output out("webdataset");
  out.finish();
  auto manifest = out.store->manifest(0);
  manifest.samples.front().sha256 = sha256_of("other");
  write(out.store->manifest_path(0), to_text(manifest));
  out.expect_damage("000000.json", 1);
  EXPECT_EQ(out.store->take_back_what_is_damaged(), std::vector<std::string>{"000000.tar"});
}

TEST(Verify, WhatIsNoOutputFolder) {
  Output out("folder");
  const auto refused = [&](const fs::path& path) {
    try {
      verify_output(out.disk, path, {});
    } catch (const Error& error) {
      return error.exit();
    }
    return Exit::kDone;
  };
  EXPECT_EQ(refused(out.path / "nowhere"), Exit::kMissingInput);
  EXPECT_EQ(refused(out.path / ".trireme"), Exit::kMissingInput);
  auto text = bytes_of(out.path / "job.json");
  text.replace(text.find("\"seed\": 0"), 9, "\"seed\": 1");
  write(out.path / "job.json", text);
  out.expect_damage("job.json");
  write(out.path / "job.json", "{");
  out.expect_damage("job.json");
}

TEST(Verify, OfManyDamagesSomeAreKept) {
  Output out("folder");
  out.finish();
  fs::remove_all(out.path / "00000");
  const auto found =
      verify_output(out.disk, out.path, {.threads = 1, .most_damages = 1, .decode = decode});
  EXPECT_EQ(found.damages.size(), 1u);
  EXPECT_EQ(found.more_damages, 1);
  EXPECT_FALSE(found.ok());
}

TEST(Described, AnyCutBetweenTwoStatesIsNoDamage) {
  Output out("folder");
  const auto state = [&] { return state_of_described(out.disk, out.path, "x"); };
  EXPECT_EQ(state(), DescribedState::kUnknown);
  const auto put = [&](const std::string& text) {
    DescribedFile file(out.disk, out.path, "x");
    file.write(text);
    file.replace();
  };
  put("one");
  EXPECT_EQ(state(), DescribedState::kAsNoted);
  const auto noted = bytes_of(out.path / ".trireme" / "described" / "x");
  put("two");
  const auto note = out.path / ".trireme" / "described" / "x";
  write(note, noted + bytes_of(note));  // killed before or after the file was replaced
  EXPECT_EQ(state(), DescribedState::kAsNoted);
  write(out.path / "x", "one");
  EXPECT_EQ(state(), DescribedState::kAsNoted);
  write(out.path / "x", "three");
  EXPECT_EQ(state(), DescribedState::kDamaged);
  remove_described(out.disk, out.path, "x");
  EXPECT_EQ(state(), DescribedState::kAsNoted);
}

TEST(Crew, DoesAllOnce) {
  for (const int threads : {0, 1, 3}) {
    std::atomic<int> sum = 0;
    Crew crew(threads);
    for (int i = 1; i <= 100; ++i) crew.add([&sum, i] { sum += i; });
    crew.wait();
    EXPECT_EQ(sum, 5050);
  }
}

}  // namespace
}  // namespace trireme
