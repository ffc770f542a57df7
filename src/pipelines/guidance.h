// Guidance: how a prediction with the prompt is pushed away from others. Classifier-free guidance
// (Ho and Salimans 2022) pushes it from the negative prompt's, skip-layer guidance (SD3.5-medium)
// also from one that left some blocks out. A scale of one or less is no guidance.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace trireme {

struct Guidance {
  double scale = 1;
  std::vector<int64_t> skipped = {};  // blocks; empty: no skip-layer guidance
  double skip_scale = 2.8;
  double skip_start = 0.01;  // of the steps, both ends left out
  double skip_stop = 0.2;

  bool on() const { return scale > 1; }
  // Skip-layer guidance belongs to classifier-free guidance: none without it.
  bool skips(int64_t step, int64_t num_inference_steps) const {
    const double n = static_cast<double>(num_inference_steps);
    return on() && !skipped.empty() && step > n * skip_start && step < n * skip_stop;
  }

  bool operator==(const Guidance&) const = default;
};

// negative + scale (positive - negative). float32 [batch, channels, h, w]
inline at::Tensor guide(const at::Tensor& negative, const at::Tensor& positive, double scale) {
  return at::add(negative, positive - negative, scale);
}

}  // namespace trireme
