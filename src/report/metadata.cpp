#include "src/report/metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "parallel/error.h"

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
  return line.dump();
}

std::map<std::int64_t, MetadataLine> parse_metadata(std::string_view text,
                                                    const std::string& place) {
  std::map<std::int64_t, MetadataLine> lines;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    try {
      const auto row = nlohmann::json::parse(line);
      lines[row.at("index").get<std::int64_t>()] = {row.at("status").get<std::string>(),
                                                    std::string(line)};
    } catch (const nlohmann::json::exception& error) {
      throw Error(Exit::kBadData,
                  fmt::format("[{}:{}] {} -> a row of metadata as this program writes it -> edited "
                              "by hand; move the file away and run again to have it made anew",
                              place, number, error.what()));
    }
  }
  return lines;
}

}  // namespace trireme
