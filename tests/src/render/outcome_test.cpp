#include "src/render/outcome.h"

#include <gtest/gtest.h>

#include "tests/src/render/jobs.h"
#include "tests/support/run_ranks.h"

namespace trireme {
namespace {

// A failure is known to all ranks of a replica, a file only to the one that wrote it.
TEST(Outcome, OfAllRanksIsWhatAnyKnows) {
  run_ranks(3, [](Group world) {
    Outcome mine(4);
    if (world.rank() == 1) mine.note(0, Fate::kMade);
    mine.note(1, Fate::kFailed);
    if (world.rank() == 2) mine.note(2, Fate::kWasThere);
    const auto all = mine.over(world);
    EXPECT_EQ(all.of(0), Fate::kMade);
    EXPECT_EQ(all.of(1), Fate::kFailed);
    EXPECT_EQ(all.of(2), Fate::kWasThere);
    EXPECT_EQ(all.of(3), Fate::kNotMade);
    EXPECT_EQ(all.count(Fate::kMade), 1);
  });
}

TEST(Outcome, HasAMetadataRowForWhatIsThereOrFailed) {
  const Inputs inputs(pixart_job("prompts: [a, b, c, d]\n"));
  Outcome outcome(4);
  outcome.note(0, Fate::kWasThere);
  outcome.note(2, Fate::kFailed);
  outcome.note(3, Fate::kMade);
  const auto rows = metadata_rows(inputs, outcome);
  ASSERT_EQ(rows.size(), 3);
  EXPECT_EQ(rows[0].status, "done");
  EXPECT_EQ(rows[1].index, 2);
  EXPECT_EQ(rows[1].prompt, "c");
  EXPECT_EQ(rows[1].status, "failed");
  EXPECT_EQ(rows[2].num_inference_steps, 20);
}

TEST(Outcome, ReportsComeInTheOrderOfRanks) {
  run_ranks(3, [](Group world) {
    const std::string host(static_cast<size_t>(world.rank()) * 7, 'x');  // of different lengths
    const auto reports = gather_reports(world, {.rank = world.rank(), .host = host});
    ASSERT_EQ(reports.size(), 3);
    for (int r = 0; r < 3; ++r) EXPECT_EQ(reports[r].host.size(), static_cast<size_t>(r) * 7);
  });
}

}  // namespace
}  // namespace trireme
