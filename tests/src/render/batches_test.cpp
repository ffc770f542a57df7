#include "src/render/batches.h"

#include <gtest/gtest.h>

#include "tests/src/render/jobs.h"

namespace trireme {
namespace {

using Indices = std::vector<std::vector<int64_t>>;

Portion all_of(const Inputs& inputs) {
  return {.shard = 0, .first = 0, .end = inputs.file_count()};
}

Indices batches(const std::string& job, int64_t batch_size) {
  const Inputs inputs(pixart_job(job));
  const std::vector<bool> none(static_cast<size_t>(inputs.file_count()));
  Indices indices;
  for (const auto& batch : batches_of(inputs, all_of(inputs), batch_size, none).batches) {
    indices.emplace_back();
    for (const auto& sample : batch.samples) indices.back().push_back(sample.index);
  }
  return indices;
}

TEST(Batches, HoldSamplesOfOneRecipe) {
  const std::string job = "prompts: [a, b, c, {prompt: d, width: 512, height: 256}, e]\n";
  EXPECT_EQ(batches(job, 2), (Indices{{0, 1}, {2, 4}, {3}}));
  EXPECT_EQ(batches(job, 1), (Indices{{0}, {1}, {2}, {3}, {4}}));
  EXPECT_EQ(batches(job, 9), (Indices{{0, 1, 2, 4}, {3}}));
}

TEST(Batches, SeveralPicturesOfARowTravelTogether) {
  EXPECT_EQ(batches("prompts: [a, b]\nsampling: {num_images_per_prompt: 3}\n", 4),
            (Indices{{0, 1, 2, 3}, {4, 5}}));
}

TEST(Batches, EmbeddingsAreMadeOncePerRow) {
  EXPECT_EQ(batches("prompts: [a, b]\nsampling: {num_images_per_prompt: 3}\nstages: [encode]\n", 4),
            (Indices{{0, 3}}));
}

// What a sample travels with does not depend on what is there already.
TEST(Batches, AreLeftOutOnlyAsAWhole) {
  const Inputs inputs(pixart_job("prompts: [a, b, c, d]\n"));
  const auto [batches, failed] = batches_of(inputs, all_of(inputs), 2, {true, true, false, true});
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].samples[0].index, 2);
  EXPECT_EQ(batches[0].recorded, (std::vector<bool>{false, true}));
  EXPECT_TRUE(failed.empty());
}

}  // namespace
}  // namespace trireme
