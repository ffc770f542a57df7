#include "parallel/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "parallel/error.h"

namespace trireme {
namespace {

void expect_parts(int64_t units, int64_t parts) {
  if (units >= 0 && parts >= 1) return;
  throw Error(Exit::kBug, fmt::format("[split] {} units over {} parts -> at least 0 over 1 -> a "
                                      "layout that was not checked",
                                      units, parts));
}

// The best way to cut the first n units into p non-empty parts: its value, and where the last part
// begins. `worth(value of the parts before, cost of the last part)` is what is kept small.
struct Cut {
  double value = std::numeric_limits<double>::infinity();
  int64_t begin = 0;
};

template <class Worth>
std::vector<std::vector<Cut>> best_cuts(const std::vector<double>& sums, int parts, Worth worth) {
  const auto units = sums.size() - 1;
  std::vector best(parts + 1, std::vector<Cut>(units + 1));
  best[0][0].value = 0;
  for (int p = 1; p <= parts; ++p) {
    for (size_t n = p; n <= units; ++n) {
      for (size_t begin = p - 1; begin < n; ++begin) {
        const auto value = worth(best[p - 1][begin].value, sums[n] - sums[begin]);
        // On a tie the later cut: earlier parts hold more, as in Split(units, parts).
        if (value <= best[p][n].value) best[p][n] = {value, static_cast<int64_t>(begin)};
      }
    }
  }
  return best;
}

}  // namespace

Split::Split(int64_t units, int parts) {
  expect_parts(units, parts);
  int64_t begin = 0;
  for (int part = 0; part < parts; ++part) {
    const auto length = units / parts + (part < units % parts ? 1 : 0);
    parts_.push_back({begin, length});
    begin += length;
  }
}

Split Split::of_lengths(const std::vector<int64_t>& lengths) {
  std::vector<Part> parts;
  int64_t begin = 0;
  for (const auto length : lengths) {
    expect_parts(length, 1);
    parts.push_back({begin, length});
    begin += length;
  }
  return Split(std::move(parts));
}

// Two passes: the smallest possible maximum, then among the splits that keep to it the most level.
Split Split::by_cost(const std::vector<double>& costs, int parts) {
  const auto units = static_cast<int>(costs.size());
  if (units <= parts) return Split(units, parts);
  expect_parts(units, parts);
  std::vector<double> sums{0};
  for (const auto cost : costs) sums.push_back(sums.back() + cost);

  const auto maximum =
      best_cuts(sums, parts,
                [](double before, double last) { return std::max(before, last); })[parts][units]
          .value;
  const auto level = best_cuts(sums, parts, [&](double before, double last) {
    return last <= maximum ? before + last * last : std::numeric_limits<double>::infinity();
  });
  std::vector<int64_t> lengths(parts);
  for (int64_t p = parts, end = units; p > 0; --p) {
    const auto begin = level[p][end].begin;
    lengths[p - 1] = end - begin;
    end = begin;
  }
  return of_lengths(lengths);
}

int Split::owner(int64_t unit) const {
  for (int part = 0; part < parts(); ++part) {
    if (unit >= parts_[part].begin && unit < parts_[part].end()) return part;
  }
  throw Error(Exit::kBug, fmt::format("[split] unit {} -> 0 to {} -> asked for outside the split",
                                      unit, units() - 1));
}

Split Split::scaled(int64_t width) const {
  auto parts = parts_;
  for (auto& part : parts) part = part.scaled(width);
  return Split(std::move(parts));
}

bool Split::even() const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.length == parts_.front().length; });
}

}  // namespace trireme
