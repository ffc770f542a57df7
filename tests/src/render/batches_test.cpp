#include "src/render/batches.h"

#include <gtest/gtest.h>

#include "tests/src/render/jobs.h"

namespace trireme {
namespace {

std::vector<std::vector<int64_t>> batches(const std::string& job, int64_t batch_size) {
  std::vector<std::vector<int64_t>> indices;
  for_each_batch(Inputs(pixart_job(job)), batch_size, [&](const Batch& batch) {
    EXPECT_EQ(batch.number, static_cast<int64_t>(indices.size()));
    indices.emplace_back();
    for (const auto& sample : batch.samples) indices.back().push_back(sample.index);
    return true;
  });
  return indices;
}

using Indices = std::vector<std::vector<int64_t>>;

TEST(Batches, HoldNeighboursOfOneRecipe) {
  const std::string job = "prompts: [a, b, c, {prompt: d, width: 512, height: 256}, e]\n";
  EXPECT_EQ(batches(job, 2), (Indices{{0, 1}, {2}, {3}, {4}}));
  EXPECT_EQ(batches(job, 1), (Indices{{0}, {1}, {2}, {3}, {4}}));
  EXPECT_EQ(batches(job, 9), (Indices{{0, 1, 2}, {3}, {4}}));
}

TEST(Batches, SeveralPicturesOfARowTravelTogether) {
  EXPECT_EQ(batches("prompts: [a, b]\nsampling: {num_images_per_prompt: 3}\n", 4),
            (Indices{{0, 1, 2, 3}, {4, 5}}));
}

TEST(Batches, EmbeddingsAreMadeOncePerRow) {
  EXPECT_EQ(batches("prompts: [a, b]\nsampling: {num_images_per_prompt: 3}\nstages: [encode]\n", 4),
            (Indices{{0, 3}}));
}

TEST(Batches, EndWhenToldTo) {
  int seen = 0;
  for_each_batch(Inputs(pixart_job("prompts: [a, b, c]\n")), 1,
                 [&](const Batch&) { return ++seen < 2; });
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace trireme
