// Node: a YAML or JSON value with its place in the text, the common form of job files, --set values
// and the rows of a dataset. Maps keep the order and the places of their keys, and what cannot be
// used (an alias, say) stays as kBroken, so that one mistake is reported once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/source.h"

namespace trireme {

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap, kBroken };

  Kind kind = Kind::kNull;
  std::string text;     // of a scalar
  bool quoted = false;  // a scalar that is text for certain
  Mark mark;
  std::vector<Node> items;  // of a list or map

  std::string key;  // of an item of a map
  Mark key_mark;

  // The item of a map with this key, or nullptr.
  const Node* find(std::string_view wanted) const;
  Node* find(std::string_view wanted);
};

// What a value is, in a message: the scalar itself, shortened, or "a list", "a map", "null".
std::string describe(const Node& node);

// Where each value below it stands, by key path.
std::map<std::string, Mark> places_of(const Node& root);

// `sampling` and `height` make `sampling.height`.
std::string join_place(const std::string& place, std::string_view key);

}  // namespace trireme
