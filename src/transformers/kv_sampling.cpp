#include "src/transformers/kv_sampling.h"

#include <algorithm>

namespace trireme {
namespace {

int64_t rounded_up(int64_t n, int64_t by) {
  return (n + by - 1) / by;
}

}  // namespace

int64_t KvSampling::left(int64_t rows, int64_t columns) const {
  return touched({0, rows * columns}, rows, columns).length;
}

Part KvSampling::touched(Part run, int64_t rows, int64_t columns) const {
  const auto f = factor;
  if (kind == Kind::kConv) {
    // Whole rows of squares: a run begins and ends anywhere in them.
    const auto last = rows / f, tokens = f * columns;
    const auto begin = std::min(run.begin / tokens, last);
    const auto end = run.length > 0 ? std::min(rounded_up(run.end(), tokens), last) : begin;
    return {begin * (columns / f), (end - begin) * (columns / f)};
  }
  const auto before = [&](int64_t token) {  // how many are left of those before it
    if (kind == Kind::kFlat) return rounded_up(token, f);
    const auto row = token / columns, column = token % columns;
    return rounded_up(row, f) * rounded_up(columns, f) + (row % f == 0 ? rounded_up(column, f) : 0);
  };
  return {before(run.begin), before(run.end()) - before(run.begin)};
}

}  // namespace trireme
