// Which layouts a plan chooses from.
#include "parallel/plan/candidates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/parallel/plan/workloads.h"

namespace trireme {
namespace {

// What check_layout and the models ask of a layout.
void expect_legal(const Layout& layout, const Workload& work, int ranks) {
  const auto text = to_string(layout);
  EXPECT_EQ(layout.ranks(), ranks) << text;
  EXPECT_EQ(layout.mesh.ranks(), static_cast<int>(layout.transformer.size())) << text;
  EXPECT_EQ(layout.mesh.sequence % layout.mesh.ring, 0) << text;
  EXPECT_LE(layout.mesh.pipeline, static_cast<int>(work.transformer->blocks.size())) << text;
  EXPECT_LE(layout.mesh.tensor, work.transformer->heads) << text;
  std::set<int> used;
  for (const auto* list : {&layout.text_encoders, &layout.transformer, &layout.vae}) {
    EXPECT_EQ(std::set<int>(list->begin(), list->end()).size(), list->size()) << text;
    used.insert(list->begin(), list->end());
  }
  EXPECT_EQ(static_cast<int>(used.size()), layout.replica_size) << text;
  EXPECT_TRUE(*used.begin() == 0 && *used.rbegin() == layout.replica_size - 1) << text;
}

TEST(Candidates, AreLegalAndDifferent) {
  const auto work = medium_job(64);
  for (const int ranks : {1, 2, 3, 4, 6, 8, 12}) {
    const auto layouts = legal_layouts(work, ranks, {});
    std::set<std::string> texts;
    for (const auto& layout : layouts) {
      expect_legal(layout, work, ranks);
      EXPECT_TRUE(texts.insert(to_string(layout)).second) << to_string(layout);
    }
  }
}

bool some(const std::vector<Layout>& layouts, const std::function<bool(const Layout&)>& is_wanted) {
  return std::any_of(layouts.begin(), layouts.end(), is_wanted);
}

TEST(Candidates, HoldEveryAxisAndEveryPlace) {
  const auto layouts = legal_layouts(medium_job(64), 8, {});
  EXPECT_TRUE(some(layouts, [](const Layout& l) { return l.replicas == 8; }));
  EXPECT_TRUE(
      some(layouts, [](const Layout& l) { return l.mesh.guidance == 2 && l.mesh.pipeline == 4; }));
  EXPECT_TRUE(
      some(layouts, [](const Layout& l) { return l.mesh.sequence == 4 && l.mesh.ring == 2; }));
  EXPECT_TRUE(some(layouts, [](const Layout& l) { return l.mesh.tensor == 8; }));
  EXPECT_TRUE(some(layouts, [](const Layout& l) { return l.text_encoders.size() == 8; }));
  EXPECT_TRUE(some(layouts, [](const Layout& l) { return l.vae.size() == 8; }));
  // Encoders and VAE with ranks of their own, beside six of the transformer.
  EXPECT_TRUE(some(layouts, [](const Layout& l) {
    return l.transformer.size() == 6 && l.text_encoders == RankList{0} && l.vae == RankList{7};
  }));
}

TEST(Candidates, KeepWhatTheUserFixed) {
  const Choices choices{.replicas = 2,
                        .batch_size = 3,
                        .transformer = TransformerRanks{.ranks = {}, .mesh = {.pipeline = 4}},
                        .splits_others = false};
  const auto layouts = legal_layouts(medium_job(64), 8, choices);
  ASSERT_FALSE(layouts.empty());
  for (const auto& layout : layouts) {
    EXPECT_EQ(layout.replicas, 2);
    EXPECT_EQ(layout.batch_size, 3);
    EXPECT_EQ(layout.mesh.pipeline, 4);
    EXPECT_TRUE(keeps_bits(layout)) << to_string(layout);
  }
}

TEST(Candidates, GuidanceIsSplitOnlyWhereEveryPictureHasIt) {
  auto work = medium_job(64);
  work.shapes.push_back(work.shapes.front());
  work.shapes.back().branches = 1;
  for (const auto& layout : legal_layouts(work, 4, {})) EXPECT_EQ(layout.mesh.guidance, 1);
}

TEST(Candidates, BatchesAreNoLargerThanTheJob) {
  for (const auto& layout : legal_layouts(medium_job(3), 1, {})) EXPECT_LE(layout.batch_size, 2);
}

}  // namespace
}  // namespace trireme
