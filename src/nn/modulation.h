// Adaptive layer norm's shifts, scales and gates (Peebles and Xie 2023), of one block for every
// step of a batch: they depend on the timestep and the pooled text only, so one matrix product
// makes them all before the first step. Scales are kept with one already added.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "src/nn/norms.h"

namespace trireme {

class ModulationTable {
 public:
  // rows [steps, batch (or 1), parts x width]; `scales` names the parts that are scales.
  ModulationTable(const at::Tensor& rows, int64_t parts, const std::vector<int64_t>& scales)
      : rows_(rows.unflatten(-1, {parts, 1, rows.size(-1) / parts}).clone()) {
    for (const auto scale : scales) rows_.select(2, scale).add_(1);
  }

  // [batch (or 1), 1, width]
  at::Tensor operator()(int64_t step, int64_t part) const {
    return rows_.select(0, step).select(1, part);
  }

 private:
  at::Tensor rows_;  // [steps, batch, parts, 1, width]
};

// unit * scale + shift, where scale has one added already.
inline at::Tensor modulated(const at::Tensor& unit, const at::Tensor& shift,
                            const at::Tensor& scale) {
  return at::addcmul(shift, unit, scale);
}

}  // namespace trireme
