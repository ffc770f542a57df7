// Fields reads the keys of one map, one call a key, and collects what is wrong instead of stopping.
// What cannot be read comes back as the fallback, so that reading goes on to the next mistake. A
// key with null counts as not written. Call finish() last: keys that nobody asked for are unknown.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/config/node.h"
#include "src/config/source.h"
#include "src/config/text.h"

namespace trireme {

// Bounds of a number, both included.
template <class T>
struct Range {
  T least = std::numeric_limits<T>::lowest();
  T most = std::numeric_limits<T>::max();
};

// The words of an enum, as users write them.
template <class T>
using Words = std::vector<std::pair<std::string_view, T>>;

class Fields {
 public:
  Fields(const Node& node, std::string place, std::vector<Problem>& problems);

  const std::string& place() const { return place_; }
  std::string place_of(std::string_view key) const { return join_place(place_, key); }

  // The value of a key, or nullptr if it is not written, null or beyond use.
  const Node* find(std::string_view key);
  // Whether a key stands there at all, null included.
  bool has(std::string_view key) const { return node_.find(key) != nullptr; }

  // Whether a key stands there with a value that was refused already.
  bool broken(std::string_view key) const;

  // The map under a key; nothing where it is not written or, with a problem noted, no map.
  // `example` shows how it is written.
  std::optional<Fields> section(std::string_view key, const std::string& example);
  // A key that cannot be left out.
  void require(std::string_view key, const std::string& example);

  int64_t whole(std::string_view key, int64_t fallback, Range<int64_t> range = {});
  std::optional<int64_t> whole(std::string_view key, std::optional<int64_t> fallback,
                               Range<int64_t> range = {});
  uint64_t whole(std::string_view key, uint64_t fallback);
  double real(std::string_view key, double fallback, Range<double> range = {});
  std::optional<double> real(std::string_view key, std::optional<double> fallback,
                             Range<double> range = {});
  bool yes_or_no(std::string_view key, bool fallback);
  std::string text(std::string_view key, std::string fallback);
  std::vector<int64_t> wholes(std::string_view key, std::vector<int64_t> fallback,
                              Range<int64_t> range = {});
  std::vector<double> reals(std::string_view key, std::vector<double> fallback,
                            Range<double> range = {});

  template <class T>
  T word(std::string_view key, T fallback, const Words<T>& words) {
    const Node* node = find(key);
    if (!node) return fallback;
    for (const auto& [name, value] : words) {
      if (node->kind == Node::Kind::kScalar && node->text == name) return value;
    }
    std::vector<std::string_view> names;
    for (const auto& word : words) names.push_back(word.first);
    refuse_word(*node, place_of(key), names);
    return fallback;
  }

  // Something is wrong with the value of `key`: `value -> message`.
  void refuse(std::string_view key, const std::string& message);
  void refuse(const Node& node, const std::string& place, const std::string& message);
  void refuse_word(const Node& node, const std::string& place,
                   const std::vector<std::string_view>& names);

  // Reports keys that were not asked for. `elsewhere` are key paths of other maps, for keys that
  // stand in the wrong one.
  void finish(const std::vector<std::string_view>& elsewhere = {});

  std::vector<Problem>& problems() { return problems_; }

 private:
  const Node& node_;
  std::string place_;
  std::vector<std::string_view> asked_;
  std::vector<Problem>& problems_;
};

// A map, or the problem that it is none. `example` shows how it is written.
bool is_map(const Node& node, const std::string& place, const std::string& example,
            std::vector<Problem>& problems);

// A scalar as a number, or what it should be: `requirement -> cause`.
struct Whole {
  int64_t value = 0;
  std::string problem;
};
Whole read_whole(const Node& node, Range<int64_t> range);

struct Real {
  double value = 0;
  std::string problem;
};
Real read_real(const Node& node, Range<double> range);

}  // namespace trireme
