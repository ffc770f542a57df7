// The rows of a job and the samples they make. Rows stand in the job or in its dataset; either way
// a row keeps its number, and with it its seed and file name, in any subset. A dataset is read and
// checked once as a whole and kept as bytes: a row is parsed again when it is asked for, so that
// millions of rows cost their own text and eight bytes each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/config/dataset.h"
#include "src/config/job.h"

namespace trireme {

// One picture to make. Its noise depends on `seed` alone.
struct Sample {
  int64_t index = 0;  // row * num_images_per_prompt + number; names its file
  int64_t row = 0;
  int64_t number = 0;  // of the row's pictures, from zero
  uint64_t seed = 0;
  std::string prompt;
  std::string prompt_2;  // empty: prompt
  std::string prompt_3;  // empty: prompt
  Sampling sampling;  // the job's with the row's over it; its seed is the base, not this sample's

  bool operator==(const Sample&) const = default;
};

// The picture of that number, from zero, of a row.
Sample sample_of(PromptRow row, int64_t number);

class Prompts {
 public:
  // Reads the prompts or the dataset of a job. Throws Error: kBadData for rows that are wrong, all
  // of them (the first 20 shown) with file and line; kMissingInput for a file that is not there;
  // kBadJob for `rows` past the end.
  explicit Prompts(const Job& job);

  int64_t row_count() const { return last_ - first_ + 1; }
  int64_t sample_count() const { return row_count() * sampling_.num_images_per_prompt; }

  // The n-th row and sample of this job, n counting from zero inside the subset. In order, so that
  // sample(n).index - sample(0).index == n.
  PromptRow row(int64_t n) const;
  Sample sample(int64_t n) const;

  // xxh3-128 of the rows' text: of the file, and which rows of it, or of the job's own prompts.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  PromptRow read(int64_t row) const;

  Sampling sampling_;
  std::vector<PromptRow> inline_;
  std::string text_;  // of the dataset
  DatasetKind kind_ = DatasetKind::kText;
  DatasetIndex index_;  // without starts where the rows stand in the job
  int64_t first_ = 0;
  int64_t last_ = -1;
  std::string fingerprint_;
};

}  // namespace trireme
