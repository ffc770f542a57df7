#include "src/output/described.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/support/model_disk.h"

namespace trireme {
namespace {

using Step = std::function<void(FileSystem&)>;

Step writing(const std::string& bytes) {
  return [bytes](FileSystem& files) {
    DescribedFile file(files, "/out", "metadata.jsonl");
    file.write(bytes);
    file.replace();
  };
}

DescribedState state_on(FileSystem& files) {
  return state_of_described(files, "/out", "metadata.jsonl");
}

bool is_good(DescribedState state) {
  return state == DescribedState::kAsNoted || state == DescribedState::kUnknown;
}

// What a kill before the call of this number may leave, with and without a power cut.
std::vector<ModelDisk> killed(ModelDisk disk, const Step& step, std::int64_t call) {
  disk.fail({Fault::Kind::kKill, call});
  try {
    step(disk);
  } catch (const Killed&) {
  }
  auto left = disk.after_power_cuts();
  disk.restart();
  left.push_back(std::move(disk));
  return left;
}

// Also of the first one: whoever looks before it is there has not lost it.
TEST(Described, KilledAnywhereItIsInAStateThatIsNoted) {
  const std::vector<Step> steps = {
      writing("first\n"), writing("second\n"),
      [](FileSystem& files) { remove_described(files, "/out", "metadata.jsonl"); },
      writing("third\n")};
  ModelDisk disk;
  make_folder(disk, "/out");
  for (const auto& step : steps) {
    auto whole = disk;
    whole.fail({});
    step(whole);
    for (std::int64_t call = 0; call < whole.calls(); ++call)
      for (auto& left : killed(disk, step, call)) EXPECT_TRUE(is_good(state_on(left))) << call;
    disk = whole;
    EXPECT_EQ(state_on(disk), DescribedState::kAsNoted);
  }
}

TEST(Described, WhatIsDamagedOrLostIsFound) {
  ModelDisk disk;
  make_folder(disk, "/out");
  writing("rows\n")(disk);
  auto damaged = disk, lost = disk;
  damaged.damage("/out/metadata.jsonl", "rowS\n");
  lost.lose("/out/metadata.jsonl");
  EXPECT_EQ(state_on(damaged), DescribedState::kDamaged);
  EXPECT_EQ(state_on(lost), DescribedState::kMissing);
}

}  // namespace
}  // namespace trireme
