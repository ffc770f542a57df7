#include "src/output/dataset_card.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

TEST(DatasetCard, OfAFolderOfPictures) {
  const std::string card = dataset_card({.samples = 4, .model = "org/name@main"});
  EXPECT_TRUE(card.starts_with(R"(---
task_categories:
- text-to-image
size_categories:
- n<1K
tags:
- synthetic
- trireme
configs:
- config_name: default
  data_files:
  - split: train
    path:
      - metadata.jsonl
      - "*.png"
      - "*/*.png"
  drop_labels: true
---

# Pictures rendered by trireme

* 4 samples by `org/name@main`
)")) << card;
}

TEST(DatasetCard, OfTars) {
  const std::string card =
      dataset_card({.webdataset = true, .extension = "webp", .captions = true});
  EXPECT_NE(card.find("    path:\n      - \"*.tar\"\n---\n"), std::string::npos) << card;
  EXPECT_NE(card.find("`.json` (prompt, seed and settings), `.txt` (the prompt), `.webp`"),
            std::string::npos);
}

TEST(DatasetCard, OfTensorsHasNoLoader) {
  const std::string card = dataset_card({.extension = "safetensors"});
  EXPECT_EQ(card.find("configs"), std::string::npos) << card;
  EXPECT_NE(card.find("load_file"), std::string::npos);
}

TEST(DatasetCard, SizesInTheHubsWords) {
  const auto says = [](std::int64_t samples, const std::string& words) {
    return dataset_card({.samples = samples}).find("- " + words + "\n") != std::string::npos;
  };
  EXPECT_TRUE(says(0, "n<1K"));
  EXPECT_TRUE(says(999, "n<1K"));
  EXPECT_TRUE(says(1'000, "1K<n<10K"));
  EXPECT_TRUE(says(1'000'000, "1M<n<10M"));
  EXPECT_TRUE(says(5'000'000'000, "n>1B"));
}

TEST(DatasetCard, AModelsNameStaysInItsPlace) {
  const std::string card = dataset_card({.model = "a`b\n---\nlicense: mit"});
  EXPECT_NE(card.find("by `a?b?---?license: mit`\n"), std::string::npos) << card;
}

}  // namespace
}  // namespace trireme
