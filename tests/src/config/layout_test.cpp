// Layouts: how they are written, and the arithmetic against a world size.
#include "src/config/layout.h"

#include <gtest/gtest.h>

#include "src/config/job.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

Job job_with(const std::string& layout) {
  return parse_job(
      "version: 1\nmodel: {path: org/name}\nprompts: [a cat]\nlayout: " + layout + "\n",
      "job.yaml");
}

// The message alone, without file, source line and caret.
std::string misfit(const std::string& layout, int world_size) {
  Job job = job_with(layout);
  job.source = {};
  return error_of([&] { check_layout(job, world_size); }).text;
}

TEST(Layout, Ranks) {
  auto ranks = [](const std::string& text) {
    return resolve_ranks(job_with("{vae: {ranks: " + text + ", patch: 2}}").layout.vae->ranks, 2);
  };
  EXPECT_EQ(ranks("0-1"), (std::vector<int>{0, 1}));
  EXPECT_EQ(ranks("[3, 0]"), (std::vector<int>{3, 0}));
  EXPECT_EQ(ranks("all"), (std::vector<int>{0, 1}));
  EXPECT_EQ(job_with("{vae: {ranks: 3}}").layout.vae->ranks.list, std::vector<int>{3});
}

TEST(Layout, NotExplicitFitsAnyWorld) {
  EXPECT_EQ(misfit("auto", 7), "no error");
  EXPECT_EQ(misfit("balanced", 7), "no error");
  EXPECT_EQ(misfit("{batch_size: 4}", 7), "no error");  // replicas are the planner's choice
}

TEST(Layout, ExplicitThatFits) {
  std::string layout =
      "{replicas: 2, text_encoders: {ranks: 0-3, tensor: 4}, "
      "transformer: {guidance: 2, pipeline: 2, sequence: 2}, vae: {ranks: [4], patch: 1}}";
  EXPECT_EQ(misfit(layout, 16), "no error");
  EXPECT_EQ(misfit("{replicas: 3}", 6), "no error");
  EXPECT_EQ(misfit("{transformer: {ranks: 0-3, tensor: 4}}", 6), "no error");  // 4, 5: planner's
}

TEST(Layout, ReplicasDivideTheWorld) {
  EXPECT_EQ(misfit("{replicas: 3}", 8),
            "[layout.replicas] 3 -> a number that divides the world size, 8");
}

TEST(Layout, AxesMultiplyToTheRanks) {
  EXPECT_EQ(
      misfit("{replicas: 2, transformer: {guidance: 2, tensor: 4}}", 8),
      "[layout.transformer] guidance 2 x pipeline 1 x sequence 1 x tensor 4 = 8 -> the number "
      "of its ranks, 4 (all of a replica's: 8 ranks / 2 replicas) -> an axis that is not "
      "named is 1");
  // What is written out is counted before anybody knows the world size.
  EXPECT_EQ(error_of([] { job_with("{vae: {ranks: 0-3, patch: 2}}"); }).text,
            "job.yaml:4:15: [layout.vae] patch 2 -> the number of its ranks, 4 -> an axis that is "
            "not named is 1\n"
            "layout: {vae: {ranks: 0-3, patch: 2}}\n"
            "              ^");
}

TEST(Layout, RanksAreInsideAReplica) {
  EXPECT_EQ(misfit("{replicas: 2, vae: {ranks: [5]}}", 8),
            "[layout.vae.ranks] rank 5 -> ranks 0 to 3 of a replica (8 ranks / 2 replicas = 4)");
}

TEST(Layout, NoRankIsLeftWithoutWork) {
  EXPECT_EQ(
      misfit("{text_encoders: {ranks: 0}, transformer: {ranks: 0-1, tensor: 2}, "
             "vae: {ranks: 1}}",
             4),
      "[layout] no component on ranks 2, 3 -> work for each of a replica's 4 ranks (4 ranks / "
      "1 replica) -> replicas times a replica's ranks is the world size");
}

TEST(Layout, AllMisfitsAtOnce) {
  std::string text = misfit("{transformer: {tensor: 2}, vae: {ranks: [9]}}", 8);
  EXPECT_NE(text.find("[layout.transformer]"), std::string::npos);
  EXPECT_NE(text.find("[layout.vae.ranks]"), std::string::npos);
}

TEST(Layout, HugeAxesDoNotOverflow) {
  EXPECT_NE(misfit("{transformer: {pipeline: 65536, sequence: 65536, tensor: 65536}}", 8)
                .find("= 281474976710656 -> the number of its ranks, 8"),
            std::string::npos);
}

}  // namespace
}  // namespace trireme
