// Rows of metadata.jsonl, one JSON object a line, as Hugging Face's imagefolder loader reads them.
// A row says what a sample is and nothing of when, where or by whom it was made, so that the same
// job gives the same bytes. A sample that failed has its row and the name that its file would have
// (without a name, loaders before datasets 5 refuse the folder): filter by status before decoding.
// No rows are an empty text.
#pragma once

#include <cstdint>
#include <string>

namespace trireme {

enum class MetadataDetail {
  kNone,     // no file
  kMinimal,  // file_name, index, prompt, seed, status
  kFull
};

struct MetadataRow {
  std::int64_t index = 0;
  std::string prompt = {};
  std::string negative_prompt = {};
  std::uint64_t seed = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t num_inference_steps = 0;
  double guidance_scale = 0;
  std::string model = {};
  std::string status = "done";
};

// A line without its end. `file_name` is relative to metadata.jsonl.
std::string metadata_line(const MetadataRow& row, const std::string& file_name,
                          MetadataDetail detail);

}  // namespace trireme
