// The jobs in configs/jobs are good jobs, and fit the worlds that their comments name.
#include <gtest/gtest.h>

#include <filesystem>

#include "src/config/job.h"
#include "src/config/prompts.h"

namespace trireme {
namespace {

TEST(Examples, AllAreGoodJobs) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("configs/jobs")) {
    if (entry.path().extension() != ".yaml") continue;
    Job job = read_job(entry.path().string());
    EXPECT_GT(Prompts(job).sample_count(), 0) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 4);
}

TEST(Examples, Sd35LargeFitsEightRanks) {
  check_layout(read_job("configs/jobs/sd3.5-large.yaml"), 8);
}

}  // namespace
}  // namespace trireme
