// The rows of a job and the samples they make. Rows stand in the job or in its dataset; either way
// a row keeps its number, and with it its seed and file name, in any subset. Of a dataset the rows
// are told apart once; what a row says is read when it is asked for, so that a row costs eight
// bytes however long it is. A row that cannot be read is a problem of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/dataset.h"
#include "src/config/job.h"
#include "src/config/mapped_text.h"

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

// A row as it was read, or why it cannot be: one line with file, line and byte offset.
struct ReadRow {
  PromptRow row;
  std::string problem;  // empty: none
};

class Prompts {
 public:
  // Finds the rows of a job, and reads the first ones. Throws Error: kBadData for a file whose rows
  // cannot be told apart or, where the job does not say how many may fail, if more of the first
  // rows are wrong than may (20 of them shown, with file and line); kMissingInput for a file that
  // is not there; kBadJob for `rows` past the end.
  explicit Prompts(const Job& job);

  int64_t row_count() const { return last_ - first_ + 1; }
  int64_t sample_count() const { return row_count() * sampling_.num_images_per_prompt; }

  // The n-th row and sample of this job, n counting from zero inside the subset. In order, so that
  // sample(n).index - sample(0).index == n.
  // kBadData for a row that cannot be read.
  PromptRow row(int64_t n) const;
  Sample sample(int64_t n) const;
  ReadRow read_row(int64_t n) const;
  // The row of a job's n-th sample.
  int64_t row_of(int64_t n) const { return n / sampling_.num_images_per_prompt; }
  // Of the n-th row in its file, in bytes; nothing for one that stands in the job.
  std::optional<int64_t> offset(int64_t n) const;
  int64_t first_row() const { return first_; }
  int64_t pictures_of_a_row() const { return sampling_.num_images_per_prompt; }
  // What was read of the file need not stay in memory.
  void let_go() const { mapped_.let_go(); }

  // xxh3-128 of the rows' text: of the file, and which rows of it, or of the job's own prompts.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  DatasetRow read(int64_t row) const;
  void find_rows(const Job& job);
  void check_first_rows(const Job& job) const;

  Sampling sampling_;
  std::vector<PromptRow> inline_;
  std::string file_;  // the dataset, as written
  MappedText mapped_;
  std::string_view text_;  // of the dataset, without its mark
  DatasetKind kind_ = DatasetKind::kText;
  DatasetIndex index_;  // without starts where the rows stand in the job
  int64_t first_ = 0;
  int64_t last_ = -1;
  std::string fingerprint_;
};

}  // namespace trireme
