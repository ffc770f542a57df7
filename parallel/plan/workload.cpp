#include "parallel/plan/workload.h"

#include <numeric>

namespace trireme {

int64_t Workload::pictures() const {
  return std::accumulate(shapes.begin(), shapes.end(), int64_t{0},
                         [](int64_t sum, const Shape& shape) { return sum + shape.pictures; });
}

}  // namespace trireme
