#include "src/config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <optional>
#include <sstream>
#include <unordered_set>
#include <utility>

#include "src/config/text.h"

namespace trireme {
namespace {

Mark to_mark(const YAML::Mark& mark) {
  return mark.is_null() ? Mark{} : Mark{mark.line, mark.column};
}

// Stops the parser at the beginning of a second document.
struct SecondDocument {
  Mark mark;
};

// Whether the quoted scalar at `start` ends before the text does, which the parser lets pass where
// a line ends first. Block scalars need no end.
bool quote_closes(std::string_view text, size_t start) {
  char quote = start < text.size() ? text[start] : ' ';
  if (quote != '"' && quote != '\'') return true;
  for (size_t at = start + 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      bool doubled = quote == '\'' && text.substr(at + 1, 1) == "'";
      if (!doubled) return true;
      ++at;
    }
  }
  return false;
}

// Builds the tree from the parser's events, which show anchors, aliases and tags that yaml-cpp's
// own nodes have already resolved.
class YamlBuilder : public YAML::EventHandler {
 public:
  YamlBuilder(std::string_view text, std::vector<Problem>& problems)
      : text_(text), problems_(problems) {}

  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw SecondDocument{to_mark(mark)};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(start(mark, "?", anchor, Node::Kind::kNull));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "an alias (*name) -> the value itself");
    add(start(mark, "?", 0, Node::Kind::kBroken));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = start(mark, tag, anchor, Node::Kind::kScalar);
    node.quoted = tag == "!";
    bool open = node.quoted && !quote_closes(text_, static_cast<size_t>(mark.pos));
    if (open) refuse(mark, "a quote that is not closed -> a closing quote");
    node.text = value;
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open_.push_back({start(mark, tag, anchor, Node::Kind::kList), {}, false, {}});
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open_.push_back({start(mark, tag, anchor, Node::Kind::kMap), {}, false, {}});
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or map whose end has not come yet.
  struct Open {
    Node node;
    Node key;  // of a map, read before its value
    bool has_key = false;
    std::unordered_set<std::string> keys;
  };

  void refuse(const YAML::Mark& mark, std::string message) {
    problems_.push_back({"yaml", std::move(message), to_mark(mark)});
  }

  Node start(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
             Node::Kind kind) {
    if (anchor != 0) refuse(mark, "an anchor (&name) -> every value written where it is used");
    bool plain = tag.empty() || tag == "?" || tag == "!";
    if (!plain) refuse(mark, fmt::format("tag {} -> a value without a tag", shorten(tag, 60)));
    Node node;
    node.kind = kind;
    node.mark = to_mark(mark);
    return node;
  }

  void add(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& open = open_.back();
    if (open.node.kind != Node::Kind::kMap) {
      open.node.items.push_back(std::move(node));
    } else if (!open.has_key) {
      open.key = std::move(node);
      open.has_key = true;
    } else {
      add_item(open, std::move(node));
    }
  }

  void add_item(Open& open, Node value) {
    open.has_key = false;
    const Node& key = open.key;
    if (key.kind == Node::Kind::kBroken) return;
    if (key.kind != Node::Kind::kScalar) {
      problems_.push_back({"yaml", describe(key) + " as a key -> a word", key.mark});
    } else if (key.text == "<<" && !key.quoted) {
      problems_.push_back(
          {"yaml", "a merge key (<<) -> every value written where it is used", key.mark});
    } else if (!open.keys.insert(key.text).second) {
      problems_.push_back(
          {"yaml",
           fmt::format("{} -> each key once -> it is doubled; the first is "
                       "on line {}",
                       shorten(key.text, 60), open.node.find(key.text)->key_mark.line + 1),
           key.mark});
    } else {
      value.key = key.text;
      value.key_mark = key.mark;
      open.node.items.push_back(std::move(value));
    }
  }

  void close() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  std::string_view text_;
  std::vector<Problem>& problems_;
  Node root_;
  std::vector<Open> open_;
  int documents_ = 0;
};

// The first line, up to `last`, that begins with a tab among its spaces.
std::optional<Mark> tab_in_indentation(std::string_view text, int last) {
  size_t start = 0;
  for (int line = 0; line <= last; ++line) {
    size_t word = text.find_first_not_of(" \t", start);
    size_t tab = text.find('\t', start);
    if (tab != std::string_view::npos && word != std::string_view::npos && tab < word) {
      return Mark{line, static_cast<int>(tab - start)};
    }
    size_t end = text.find('\n', start);
    if (end == std::string_view::npos) break;
    start = end + 1;
  }
  return std::nullopt;
}

// The number of an escape such as \ud83d at `at`, or nothing.
std::optional<uint32_t> escaped_unit(std::string_view text, size_t at) {
  constexpr size_t kDigits = 4;
  if (at + 2 + kDigits > text.size() || text.substr(at, 2) != "\\u") return std::nullopt;
  uint32_t unit = 0;
  const char* begin = text.data() + at + 2;
  const auto read = std::from_chars(begin, begin + kDigits, unit, 16);
  return read.ptr == begin + kDigits ? std::optional(unit) : std::nullopt;
}

// JSON writes a character beyond the first 65536 as two escapes, YAML as one of eight digits: job
// files that programs write have the former.
std::string with_whole_characters(std::string_view text) {
  constexpr size_t kEscape = 6;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto high = escaped_unit(text, at), low = escaped_unit(text, at + kEscape);
    if (high && low && *high >> 10 == 0xD800 >> 10 && *low >> 10 == 0xDC00 >> 10) {
      out += fmt::format("\\U{:08x}", 0x10000 + ((*high & 0x3FF) << 10) + (*low & 0x3FF));
      at += 2 * kEscape;
    } else {
      const size_t taken = text[at] == '\\' ? 2 : 1;  // an escaped backslash begins no escape
      out += text.substr(at, taken);
      at += taken;
    }
  }
  return out;
}

Problem syntax_problem(const YAML::Exception& error, std::string_view text) {
  Mark mark = to_mark(error.mark);
  if (auto tab = tab_in_indentation(text, mark.line)) {
    return {"yaml", "a tab in the indentation -> spaces", *tab};
  }
  std::string cause = "the indentation, a bracket or a quote near here";
  if (error.msg.find("illegal map value") != std::string::npos) {
    cause = "a text that holds ': ' needs quotes";
  }
  if (error.msg.find("unknown token") != std::string::npos) {
    cause = "a text that begins with such a character needs quotes";
  }
  return {"yaml", fmt::format("{} -> valid YAML -> {}", error.msg, cause), mark};
}

}  // namespace

ParsedYaml parse_yaml(std::string_view text) {
  ParsedYaml out;
  auto bad = find_bad_utf8(text);
  if (!bad) bad = find_control(text);
  if (bad) {
    out.problems.push_back({"yaml",
                            fmt::format("{}, at byte {} -> text in UTF-8 -> saved in another "
                                        "encoding, or not a text file",
                                        bad->what, bad->offset),
                            mark_at(text, bad->offset)});
    out.readable = false;
    return out;
  }
  try {
    const std::string whole = with_whole_characters(text);
    std::istringstream stream{whole};
    YAML::Parser parser(stream);
    YamlBuilder builder(whole, out.problems);
    while (parser.HandleNextDocument(builder)) {
    }
    out.root = builder.take_root();
  } catch (const SecondDocument& second) {
    out.problems.push_back(
        {"yaml", "a second document (---) -> one document in a file", second.mark});
    out.readable = false;
  } catch (const YAML::Exception& error) {
    out.problems.push_back(syntax_problem(error, text));
    out.readable = false;
  }
  return out;
}

}  // namespace trireme
