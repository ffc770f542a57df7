#include "src/render/batches.h"

#include <gtest/gtest.h>

#include "tests/src/render/jobs.h"

namespace trireme {
namespace {

std::vector<std::vector<int64_t>> batches(const std::string& job, int64_t batch_size) {
  const Inputs inputs(pixart_job(job));
  Batches batches(inputs, batch_size);
  std::vector<std::vector<int64_t>> indices;
  while (const auto batch = batches.next()) {
    EXPECT_EQ(batch->number, static_cast<int64_t>(indices.size()));
    indices.emplace_back();
    for (const auto& sample : batch->samples) indices.back().push_back(sample.index);
  }
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

}  // namespace
}  // namespace trireme
