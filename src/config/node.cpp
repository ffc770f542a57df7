#include "src/config/node.h"

#include "src/config/text.h"

namespace trireme {

const Node* Node::find(std::string_view wanted) const {
  if (kind != Kind::kMap) return nullptr;
  for (const Node& item : items) {
    if (item.key == wanted) return &item;
  }
  return nullptr;
}

Node* Node::find(std::string_view wanted) {
  return const_cast<Node*>(static_cast<const Node*>(this)->find(wanted));
}

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kScalar: {
      std::string text = shorten(node.text, 60);
      return node.quoted ? '"' + text + '"' : text;
    }
    case Node::Kind::kList:
      return node.items.empty() ? "an empty list" : "a list";
    case Node::Kind::kMap:
      return "a map";
    default:
      return "null";
  }
}

std::string join_place(const std::string& place, std::string_view key) {
  std::string shown = shorten(key, 60);
  return place.empty() ? shown : place + '.' + shown;
}

}  // namespace trireme
