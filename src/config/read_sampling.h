// Sampling and rows out of maps: the same keys under `sampling`, in a row of `prompts`, in a line
// of a .jsonl and in the columns of a .csv.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/fields.h"
#include "src/config/job.h"

namespace trireme {

// The keys of `in` laid over `base`. A row may not change num_images_per_prompt.
enum class SamplingPlace { kJob, kRow };
Sampling read_sampling(Fields& in, Sampling base, SamplingPlace where);

// A row given as a map. Its `prompt` must be there.
PromptRow read_row(const Node& node, const std::string& place, int64_t row, const Sampling& base,
                   std::vector<Problem>& problems);

// What a key of a row holds: cells of a .csv have no types of their own.
enum class CellType { kUnknown, kText, kValue };
CellType cell_type(std::string_view key);

// Every key of a row, in order.
const std::vector<std::string_view>& row_keys();

}  // namespace trireme
