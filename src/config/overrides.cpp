#include "src/config/overrides.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "src/config/text.h"
#include "src/config/yaml.h"

namespace trireme {
namespace {

// Positions in the argument mean nothing in the file.
void forget_marks(Node& node) {
  node.mark = {};
  node.key_mark = {};
  for (Node& item : node.items) forget_marks(item);
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> keys;
  size_t start = 0;
  for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', start)) {
    keys.push_back(path.substr(start, dot - start));
    start = dot + 1;
  }
  keys.push_back(path.substr(start));
  return keys;
}

std::optional<size_t> parse_index(const std::string& key) {
  size_t index = 0;
  auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (error != std::errc{} || end != key.data() + key.size()) return std::nullopt;
  return index;
}

// A plain prompt written long: {prompt: text}.
void widen_prompt(Node& node) {
  Node prompt;
  prompt.kind = Node::Kind::kScalar;
  prompt.text = node.text;
  prompt.quoted = true;
  prompt.key = "prompt";
  prompt.mark = prompt.key_mark = node.mark;
  node.kind = Node::Kind::kMap;
  node.text.clear();
  node.items = {std::move(prompt)};
}

// The place for `key` inside `node`, made if need be; nullptr past the end of a list.
Node* step_into(Node& node, const std::string& key, bool row) {
  if (node.kind == Node::Kind::kList) {
    auto index = parse_index(key);
    return index && *index < node.items.size() ? &node.items[*index] : nullptr;
  }
  if (node.kind == Node::Kind::kScalar && row) widen_prompt(node);
  if (node.kind != Node::Kind::kMap) {
    node.kind = Node::Kind::kMap;
    node.text.clear();
    node.items.clear();
  }
  if (Node* found = node.find(key)) return found;
  Node fresh;
  fresh.key = key;
  node.items.push_back(std::move(fresh));
  return &node.items.back();
}

void put(Node& at, Node value) {
  value.key = at.key;
  value.key_mark = {};
  at = std::move(value);
}

}  // namespace

void apply_override(const std::string& argument, Node& root, Source& source,
                    std::vector<Problem>& problems) {
  size_t equals = argument.find('=');
  std::string path = argument.substr(0, equals);
  source.overrides[path] = shorten(argument, 200);
  if (equals == std::string::npos || equals == 0) {
    problems.push_back({path, "a key and its value -> key.path=value", {}});
    return;
  }
  ParsedYaml value = parse_yaml(std::string_view(argument).substr(equals + 1));
  if (!value.problems.empty()) {
    for (Problem& problem : value.problems) problems.push_back({path, problem.message, {}});
    return;
  }
  forget_marks(value.root);
  Node* at = &root;
  bool in_prompts = false;
  for (const std::string& key : split_path(path)) {
    bool row = in_prompts && at->kind == Node::Kind::kScalar;
    in_prompts = at == &root ? key == "prompts" : in_prompts;
    size_t count = at->items.size();
    bool list = at->kind == Node::Kind::kList;
    at = key.empty() ? nullptr : step_into(*at, key, row);
    if (!at) {
      std::string need = list ? fmt::format("an index from 0 to {}", count == 0 ? 0 : count - 1)
                              : "a key between the dots";
      problems.push_back({path, fmt::format("{} -> {}", shorten(key, 60), need), {}});
      return;
    }
  }
  put(*at, std::move(value.root));
}

}  // namespace trireme
