// Starts mpi_failure under mpirun and reads how it ended: exit code, time and text.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/run_command.h"

namespace {

trireme::CommandEnding ending_of(const std::string& how) {
  return trireme::run_command(TRIREME_MPIRUN " " + how);
}

TEST(MpiFailure, NobodyFails) {
  const auto ending = ending_of("none");
  EXPECT_EQ(ending.code, 0) << ending.text;
  EXPECT_EQ(ending.text, "");
}

TEST(MpiFailure, TheDeadlineNamesWhoDidNotCome) {
  const auto ending = ending_of("absent");
  EXPECT_EQ(ending.code, 69) << ending.text;
  EXPECT_NE(ending.text.find("stage 1, batch 3, step 7: all_reduce waited 1 s for rank 1 -> every "
                             "rank of the group must take "
                             "part -> rank 1 does not answer: it hangs, died, or works longer"),
            std::string::npos)
      << ending.text;
  EXPECT_NE(ending.text.find("[mpi] rank 0 of 3 ("), std::string::npos) << ending.text;
  EXPECT_LT(ending.seconds, 15);
}

// Rank 0 waits for rank 2, which waits for rank 1.
TEST(MpiFailure, TheRankThatHangsIsNamedByRanksThatWaitForOthers) {
  const auto ending = ending_of("chain");
  EXPECT_EQ(ending.code, 69) << ending.text;
  for (const auto* part : {"rank 0 of 3", "receive waited 3 s for rank 2", "rank 1 does not answer",
                           "waiting for it: [mpi] rank 2 of 3", "stage 1, batch 3, step 7"})
    EXPECT_NE(ending.text.find(part), std::string::npos) << part << " in " << ending.text;
  EXPECT_LT(ending.seconds, 15);
}

TEST(MpiFailure, OneRanksErrorEndsAllWithItsExitCode) {
  const auto ending = ending_of("throws");
  EXPECT_EQ(ending.code, 65) << ending.text;
  EXPECT_NE(ending.text.find("[weights] a.safetensors is cut short"), std::string::npos);
  EXPECT_LT(ending.seconds, 10);
}

TEST(MpiFailure, AKilledRankEndsAll) {
  const auto ending = ending_of("killed");
  EXPECT_NE(ending.code, 0) << ending.text;
  EXPECT_LT(ending.seconds, 15);
}

}  // namespace
