#include "src/config/node_json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/config/text.h"

namespace trireme {
namespace {

constexpr size_t kDeepest = 100;  // lists in lists; no row needs more than two

// Builds nodes from the events of nlohmann's parser, which alone shows doubled keys.
class JsonBuilder : public nlohmann::json::json_sax_t {
 public:
  explicit JsonBuilder(ParsedJson& out) : out_(out) {}

  bool null() override { return add(Node::Kind::kNull, "", false); }
  bool boolean(bool value) override {
    return add(Node::Kind::kScalar, value ? "true" : "false", false);
  }
  bool number_integer(number_integer_t value) override {
    return add(Node::Kind::kScalar, std::to_string(value), false);
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add(Node::Kind::kScalar, std::to_string(value), false);
  }
  bool number_float(number_float_t, const string_t& text) override {
    return add(Node::Kind::kScalar, text, false);
  }
  bool string(string_t& value) override { return add(Node::Kind::kScalar, value, true); }
  bool binary(binary_t&) override { return false; }

  bool start_object(size_t) override { return open(Node::Kind::kMap); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return open(Node::Kind::kList); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    keys_.back() = key;
    if (open_.back().find(key)) {
      out_.problems.push_back({"", shorten(key, 60) + " -> each key once -> it is doubled", {}});
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    int column = static_cast<int>(position > 0 ? position - 1 : 0);
    out_.problems.push_back({"", "not JSON -> one JSON object a line", Mark{0, column}});
    return false;
  }

 private:
  bool open(Node::Kind kind) {
    if (open_.size() >= kDeepest) {
      out_.problems.push_back({"", "too deep -> a flat JSON object", {}});
      return false;
    }
    open_.emplace_back().kind = kind;
    keys_.emplace_back();
    return true;
  }

  bool close() {
    Node node = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return put(std::move(node));
  }

  bool add(Node::Kind kind, std::string text, bool quoted) {
    Node node;
    node.kind = kind;
    node.text = std::move(text);
    node.quoted = quoted;
    return put(std::move(node));
  }

  bool put(Node node) {
    if (open_.empty()) {
      out_.root = std::move(node);
      return true;
    }
    if (open_.back().kind == Node::Kind::kMap) node.key = keys_.back();
    open_.back().items.push_back(std::move(node));
    return true;
  }

  ParsedJson& out_;
  std::vector<Node> open_;
  std::vector<std::string> keys_;
};

nlohmann::json scalar(const Node& node, const std::string& place, std::vector<Problem>& problems) {
  const std::string& text = node.text;
  if (node.quoted) return text;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* end = text.data() + text.size();
  int64_t whole = 0;
  auto read = std::from_chars(text.data(), end, whole);
  if (read.ec == std::errc{} && read.ptr == end) return whole;
  double real = 0;
  read = std::from_chars(text.data(), end, real);
  if (read.ec != std::errc{} || read.ptr != end) return text;
  if (std::isfinite(real)) return real;
  problems.push_back({place, describe(node) + " -> a finite number", node.mark});
  return nullptr;
}

}  // namespace

ParsedJson parse_json(std::string_view text) {
  ParsedJson out;
  JsonBuilder builder(out);
  bool good = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  if (!good && out.problems.empty()) out.problems.push_back({"", "not JSON -> a JSON object", {}});
  return out;
}

nlohmann::json to_json(const Node& node, const std::string& place, std::vector<Problem>& problems) {
  switch (node.kind) {
    case Node::Kind::kScalar:
      return scalar(node, place, problems);
    case Node::Kind::kList: {
      nlohmann::json list = nlohmann::json::array();
      for (const Node& item : node.items) list.push_back(to_json(item, place, problems));
      return list;
    }
    case Node::Kind::kMap: {
      nlohmann::json map = nlohmann::json::object();
      for (const Node& item : node.items) {
        map[item.key] = to_json(item, join_place(place, item.key), problems);
      }
      return map;
    }
    default:
      return nullptr;
  }
}

}  // namespace trireme
