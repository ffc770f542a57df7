#include "src/output/metadata.h"

#include <nlohmann/json.hpp>

namespace trireme {

std::string metadata_line(const MetadataRow& row, const std::string& file_name,
                          MetadataDetail detail) {
  nlohmann::ordered_json line;
  line["file_name"] = file_name;
  line["index"] = row.index;
  line["prompt"] = row.prompt;
  if (detail == MetadataDetail::kFull) line["negative_prompt"] = row.negative_prompt;
  line["seed"] = row.seed;
  if (detail == MetadataDetail::kFull) {
    line["height"] = row.height;
    line["width"] = row.width;
    line["num_inference_steps"] = row.num_inference_steps;
    line["guidance_scale"] = row.guidance_scale;  // always with a fraction: one type for readers
    line["model"] = row.model;
  }
  line["status"] = row.status;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace trireme
