#include "src/config/node.h"

#include "src/config/text.h"

namespace trireme {
namespace {

void note_places(const Node& node, const std::string& place, std::map<std::string, Mark>& places) {
  for (size_t i = 0; i < node.items.size(); ++i) {
    const Node& item = node.items[i];
    bool map = node.kind == Node::Kind::kMap;
    std::string below = join_place(place, map ? item.key : std::to_string(i));
    bool null = item.kind == Node::Kind::kNull;
    Mark mark = null && map ? item.key_mark : item.mark;
    if (mark.line >= 0) places.emplace(below, mark);
    note_places(item, below, places);
  }
}

}  // namespace

std::map<std::string, Mark> places_of(const Node& root) {
  std::map<std::string, Mark> places;
  note_places(root, "", places);
  return places;
}

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
