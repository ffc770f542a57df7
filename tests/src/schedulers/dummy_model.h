// The arithmetic stand-in for a denoiser that scheduler tests use (here and in diffusers): it
// predicts x t / (t + 1) from a sample that runs from 0 to 1.
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "src/schedulers/solver.h"

namespace trireme {

inline at::Tensor dummy_sample() {
  const at::Tensor count = at::arange(4 * 3 * 8 * 8, at::kFloat).reshape({3, 8, 8, 4});
  return (count / 768).permute({3, 0, 1, 2}).contiguous();
}

inline at::Tensor dummy_model(const at::Tensor& sample, double timestep) {
  return sample * timestep / (timestep + 1);
}

// `scaled_steps`: steps start from the sample as scaled for the model, as one test of diffusers
// has it.
inline at::Tensor run_dummy(const Schedule& schedule, at::Tensor sample,
                            bool scaled_steps = false) {
  Solver solver(std::make_shared<const Schedule>(schedule));
  for (int64_t i = 0; i < schedule.size(); ++i) {
    const at::Tensor input = solver.input(sample, i);
    const at::Tensor prediction = dummy_model(input, schedule.timesteps[static_cast<size_t>(i)]);
    sample = solver.step(prediction, i, scaled_steps ? input : sample);
  }
  return sample;
}

}  // namespace trireme
