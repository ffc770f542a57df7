#include "src/config/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace trireme {
namespace {

// The whole of `text` as a number of type T; from_chars knows no leading plus.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

template <class T>
std::string requirement(Range<T> range) {
  bool below = range.least != std::numeric_limits<T>::lowest();
  bool above = range.most != std::numeric_limits<T>::max();
  if (below && above) return fmt::format("from {} to {}", range.least, range.most);
  if (below) return fmt::format("at least {}", range.least);
  if (above) return fmt::format("at most {}", range.most);
  return "a number that fits 64 bits";
}

std::string quotes_hint(const Node& node, bool is_number) {
  return node.quoted && is_number ? " -> in quotes it is text; remove them" : "";
}

struct UnsignedWhole {
  uint64_t value = 0;
  std::string problem;
};

UnsignedWhole read_unsigned(const Node& node) {
  auto value = node.kind == Node::Kind::kScalar ? parse_number<uint64_t>(node.text) : std::nullopt;
  if (value && !node.quoted) return {*value, ""};
  std::string most =
      fmt::format("a whole number from 0 to {}", std::numeric_limits<uint64_t>::max());
  return {0, most + quotes_hint(node, value.has_value())};
}

// Reads every item of a list with `read`; the first that does not fit names itself.
template <class T, class Read>
std::vector<T> read_list(Fields& fields, std::string_view key, std::vector<T> fallback, Read read) {
  const Node* node = fields.find(key);
  if (!node) return fallback;
  if (node->kind != Node::Kind::kList) {
    fields.refuse(key, "a list of numbers, such as [1, 2]");
    return fallback;
  }
  std::vector<T> values;
  for (size_t i = 0; i < node->items.size(); ++i) {
    auto item = read(node->items[i]);
    if (!item.problem.empty()) {
      fields.refuse(node->items[i], fields.place_of(key) + '.' + std::to_string(i), item.problem);
    }
    values.push_back(item.value);
  }
  return values;
}

std::string_view last_key(std::string_view path) {
  return path.substr(path.rfind('.') + 1);
}

// A known key for an unknown one: the same key in another section, a like one here, a like one
// there.
std::optional<std::string> meant_key(std::string_view key,
                                     const std::vector<std::string_view>& here,
                                     const std::vector<std::string_view>& elsewhere) {
  auto in_section = [&](std::string_view wanted) -> std::optional<std::string> {
    for (std::string_view path : elsewhere) {
      if (last_key(path) == wanted) return std::string(path);
    }
    return std::nullopt;
  };
  if (auto found = in_section(key)) return found;
  if (auto found = nearest(key, here)) return found;
  std::vector<std::string_view> keys;
  for (std::string_view path : elsewhere) keys.push_back(last_key(path));
  auto found = nearest(key, keys);
  return found ? in_section(*found) : std::nullopt;
}

}  // namespace

Whole read_whole(const Node& node, Range<int64_t> range) {
  bool scalar = node.kind == Node::Kind::kScalar;
  auto value = scalar ? parse_number<int64_t>(node.text) : std::nullopt;
  if (value && !node.quoted) {
    if (*value < range.least || *value > range.most) return {0, requirement(range)};
    return {*value, ""};
  }
  if (value) return {0, "a whole number" + quotes_hint(node, true)};
  std::string_view digits = node.text;
  if (scalar && !digits.empty() && (digits[0] == '-' || digits[0] == '+')) digits.remove_prefix(1);
  if (scalar && all_digits(digits)) return {0, requirement(range)};  // beyond 64 bits
  auto real = scalar ? parse_number<double>(node.text) : std::nullopt;
  bool whole = real && !node.quoted && std::abs(*real) < 1e15 && std::floor(*real) == *real;
  if (whole) return {0, fmt::format("a whole number -> write {:.0f}", *real)};
  return {0, "a whole number"};
}

Real read_real(const Node& node, Range<double> range) {
  auto value = node.kind == Node::Kind::kScalar ? parse_number<double>(node.text) : std::nullopt;
  if (!value || node.quoted) return {0, "a number" + quotes_hint(node, value.has_value())};
  if (!std::isfinite(*value)) return {0, "a finite number"};
  if (*value < range.least || *value > range.most) return {0, requirement(range)};
  return {*value, ""};
}

Fields::Fields(const Node& node, std::string place, std::vector<Problem>& problems)
    : node_(node), place_(std::move(place)), problems_(problems) {}

const Node* Fields::find(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.push_back(key);
  const Node* node = node_.find(key);
  bool usable = node && node->kind != Node::Kind::kNull && node->kind != Node::Kind::kBroken;
  return usable ? node : nullptr;
}

bool Fields::broken(std::string_view key) const {
  const Node* node = node_.find(key);
  return node && node->kind == Node::Kind::kBroken;
}

std::optional<Fields> Fields::section(std::string_view key, const std::string& example) {
  const Node* node = find(key);
  if (!node || !is_map(*node, place_of(key), example, problems_)) return std::nullopt;
  return Fields(*node, place_of(key), problems_);
}

void Fields::require(std::string_view key, const std::string& example) {
  if (find(key) || broken(key)) return;
  problems_.push_back({place_of(key), "not given -> needed -> write " + example, {}});
}

std::optional<int64_t> Fields::whole(std::string_view key, std::optional<int64_t> fallback,
                                     Range<int64_t> range) {
  const Node* node = find(key);
  if (!node) return fallback;
  Whole read = read_whole(*node, range);
  if (read.problem.empty()) return read.value;
  refuse(key, read.problem);
  return fallback;
}

int64_t Fields::whole(std::string_view key, int64_t fallback, Range<int64_t> range) {
  return *whole(key, std::optional(fallback), range);
}

uint64_t Fields::whole(std::string_view key, uint64_t fallback) {
  const Node* node = find(key);
  if (!node) return fallback;
  UnsignedWhole read = read_unsigned(*node);
  if (read.problem.empty()) return read.value;
  refuse(key, read.problem);
  return fallback;
}

std::optional<double> Fields::real(std::string_view key, std::optional<double> fallback,
                                   Range<double> range) {
  const Node* node = find(key);
  if (!node) return fallback;
  Real read = read_real(*node, range);
  if (read.problem.empty()) return read.value;
  refuse(key, read.problem);
  return fallback;
}

double Fields::real(std::string_view key, double fallback, Range<double> range) {
  return *real(key, std::optional(fallback), range);
}

bool Fields::yes_or_no(std::string_view key, bool fallback) {
  const Node* node = find(key);
  if (!node) return fallback;
  bool plain = node->kind == Node::Kind::kScalar && !node->quoted;
  if (plain && (node->text == "true" || node->text == "True" || node->text == "TRUE")) return true;
  if (plain && (node->text == "false" || node->text == "False" || node->text == "FALSE")) {
    return false;
  }
  refuse(key, "true or false");
  return fallback;
}

std::string Fields::text(std::string_view key, std::string fallback) {
  const Node* node = find(key);
  if (!node) return fallback;
  if (node->kind == Node::Kind::kScalar) return node->text;
  refuse(key, "a text");
  return fallback;
}

std::vector<int64_t> Fields::wholes(std::string_view key, std::vector<int64_t> fallback,
                                    Range<int64_t> range) {
  return read_list<int64_t>(*this, key, std::move(fallback),
                            [&](const Node& node) { return read_whole(node, range); });
}

std::vector<double> Fields::reals(std::string_view key, std::vector<double> fallback,
                                  Range<double> range) {
  return read_list<double>(*this, key, std::move(fallback),
                           [&](const Node& node) { return read_real(node, range); });
}

void Fields::refuse(std::string_view key, const std::string& message) {
  const Node* node = node_.find(key);
  if (!node) {
    problems_.push_back({place_of(key), message, {}});
  } else {
    refuse(*node, place_of(key), message);
  }
}

void Fields::refuse(const Node& node, const std::string& place, const std::string& message) {
  bool null = node.kind == Node::Kind::kNull;
  problems_.push_back({place, describe(node) + " -> " + message,
                       null && !node.key.empty() ? node.key_mark : node.mark});
}

void Fields::refuse_word(const Node& node, const std::string& place,
                         const std::vector<std::string_view>& names) {
  std::string message = "one of " + list_words(names);
  auto meant = node.kind == Node::Kind::kScalar ? nearest(node.text, names) : std::nullopt;
  if (meant) message += " -> did you mean " + *meant + "?";
  refuse(node, place, message);
}

void Fields::finish(const std::vector<std::string_view>& elsewhere) {
  if (node_.kind != Node::Kind::kMap) return;
  for (const Node& item : node_.items) {
    if (std::find(asked_.begin(), asked_.end(), item.key) != asked_.end()) continue;
    auto meant = meant_key(item.key, asked_, elsewhere);
    std::string hint = meant ? "did you mean " + *meant + "?" : "one of " + list_words(asked_);
    problems_.push_back({place_of(item.key), "unknown key -> " + hint, item.key_mark});
  }
}

bool is_map(const Node& node, const std::string& place, const std::string& example,
            std::vector<Problem>& problems) {
  if (node.kind == Node::Kind::kMap) return true;
  if (node.kind != Node::Kind::kBroken) {
    problems.push_back(
        {place, describe(node) + " -> keys with values, such as " + example, node.mark});
  }
  return false;
}

}  // namespace trireme
