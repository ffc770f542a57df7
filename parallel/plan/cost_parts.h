// What the files behind cost.h share.
#pragma once

#include <algorithm>

#include "parallel/plan/effort.h"
#include "parallel/plan/layout.h"
#include "parallel/plan/workload.h"

namespace trireme {

// Bytes of matrices on one of `parts` ranks of a tensor axis, as evenly as can be.
inline double weights_of(const Layer& layer, Storage storage, double parts) {
  double bytes = 0;
  for (const auto* products : {&layer.once, &layer.every})
    for (const auto& product : *products) {
      const auto elements = product.in * product.out * product.parts;
      const double whole = bytes_of(storage) * static_cast<double>(elements);
      bytes += product.cut == Cut::kNone ? whole : whole / parts;
    }
  return bytes;
}

// Of the latents on a rank: each half of the guidance axis has one branch.
inline int64_t rows_of(const Layout& layout, const Shape& shape) {
  return layout.batch_size * std::max<int64_t>(shape.branches / layout.mesh.guidance, 1);
}

inline Effort slower(const Effort& a, const Effort& b) {
  return b.seconds() > a.seconds() ? b : a;
}

}  // namespace trireme
