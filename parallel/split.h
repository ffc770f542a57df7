// Split: who holds which part of n units (heads, channels, rows, blocks). The one place where work
// is divided among ranks. Uneven is normal: the first ranks hold one unit more, or none is left for
// the last. One part holds everything.
#pragma once

#include <cstdint>
#include <vector>

namespace trireme {

// The half-open range [begin, begin + length).
struct Part {
  int64_t begin = 0;
  int64_t length = 0;

  int64_t end() const { return begin + length; }
  // The same part when each unit is `width` elements wide: heads -> channels.
  Part scaled(int64_t width) const { return {begin * width, length * width}; }
  bool operator==(const Part&) const = default;
};

class Split {
 public:
  // As even as whole units allow: 38 units over 4 parts are 10, 10, 9, 9.
  Split(int64_t units, int parts);

  // Contiguous parts with the smallest possible maximum of summed costs; every part gets a unit
  // while there are units. costs[i] >= 0 is the cost of unit i, in any one unit of measure.
  static Split by_cost(const std::vector<double>& costs, int parts);

  // Unit sizes as given: part i holds lengths[i] units.
  static Split of_lengths(const std::vector<int64_t>& lengths);

  int parts() const { return static_cast<int>(parts_.size()); }
  int64_t units() const { return parts_.empty() ? 0 : parts_.back().end(); }
  Part operator[](int part) const { return parts_.at(part); }
  // The part that holds this unit.
  int owner(int64_t unit) const;
  // The same split when each unit is `width` elements wide.
  Split scaled(int64_t width) const;
  bool even() const;

 private:
  explicit Split(std::vector<Part> parts) : parts_(std::move(parts)) {}

  std::vector<Part> parts_;
};

}  // namespace trireme
