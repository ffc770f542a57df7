// YAML text as a Node. Job files use the plain part of YAML: what makes a file read otherwise than
// it looks (anchors, aliases, tags, merge keys, doubled keys, second documents) is a problem.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/config/node.h"
#include "src/config/source.h"

namespace trireme {

struct ParsedYaml {
  Node root;  // null if the text is empty
  std::vector<Problem> problems;
  bool readable = true;  // false after a syntax error or bad bytes: root is then null
};

// Marks in the result count in `text`. Never throws for what the text holds.
ParsedYaml parse_yaml(std::string_view text);

}  // namespace trireme
