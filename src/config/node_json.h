// Nodes from and to JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/node.h"
#include "src/config/source.h"

namespace trireme {

struct ParsedJson {
  Node root;
  std::vector<Problem> problems;  // a syntax error or doubled keys, with place ""
};

// One JSON value. JSON has types: a text stays text. Marks hold the byte column of a syntax error.
ParsedJson parse_json(std::string_view text);

// A node as JSON, unquoted scalars by YAML's core rules: 3.0 is a number, true a bool.
nlohmann::json to_json(const Node& node, const std::string& place, std::vector<Problem>& problems);

}  // namespace trireme
