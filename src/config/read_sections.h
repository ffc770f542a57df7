// The sections of a job file, one function each. Relative paths are relative to `folder`, the job
// file's own.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "src/config/fields.h"
#include "src/config/job.h"

namespace trireme {

ModelChoice read_model(Fields& job, const std::filesystem::path& folder);

std::vector<PromptRow> read_prompts(Fields& job, const Sampling& sampling);

std::optional<DatasetChoice> read_dataset(Fields& job, const std::filesystem::path& folder);

// `last` decides what may be written.
OutputChoice read_output(Fields& job, JobStage last, const std::filesystem::path& folder);

// encode, denoise or decode.
std::string_view stage_name(JobStage stage);

// Key paths of all sections, to help those who wrote a key a level too high or in another section.
const std::vector<std::string_view>& keys_of_sections();

}  // namespace trireme
