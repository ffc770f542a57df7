// JSON as Python writes it: Infinity, -Infinity and NaN stand bare in files such as PixArt-Sigma's
// scheduler_config.json (`"lambda_min_clipped": -Infinity`), which strict parsers refuse. Inside
// strings these words are text; a file without them reads as any JSON parser would read it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace trireme {

// `place` names the file in the error (Exit::kBadData) that malformed text throws.
nlohmann::json parse_json_with_infinities(std::string_view text, const std::string& place);

}  // namespace trireme
