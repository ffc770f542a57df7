// The rows of a .txt, .jsonl or .csv file: where each begins and, one at a time, what it says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/job.h"
#include "src/config/source.h"

namespace trireme {

enum class DatasetKind { kText, kJsonLines, kCsv };

DatasetKind dataset_kind(const std::string& path);

struct DatasetIndex {
  std::vector<int64_t> starts;       // byte offset of each row, and the end of the last
  std::vector<std::string> columns;  // csv
  std::vector<Problem> problems;     // with the columns, or rows that cannot be told apart
};

DatasetIndex index_dataset(DatasetKind kind, std::string_view text);

// Row `row`, whose bytes begin at `start`, with `sampling` for what it does not say. Problems carry
// their marks in `text`.
struct DatasetRow {
  PromptRow row;
  std::vector<Problem> problems;
};
DatasetRow read_dataset_row(DatasetKind kind, std::string_view text, const DatasetIndex& index,
                            int64_t row, const Sampling& sampling);

}  // namespace trireme
