// Solver: one batch on its way through a Schedule. It owns what the schedule's rules look back on,
// the newest estimates and Heun's anchor, always in float32; a new batch takes a new Solver. The
// tensors may live on any device; no step waits for it. A schedule without history keeps nothing.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "src/schedulers/schedule.h"

namespace trireme {

class Solver {
 public:
  explicit Solver(std::shared_ptr<const Schedule> schedule);

  const Schedule& schedule() const { return *schedule_; }

  // What the model sees at step i: the sample itself unless the scheduler scales it.
  at::Tensor input(const at::Tensor& sample, int64_t i) const;  // [batch, channels, height, width]

  // The next sample, float32, from the whole prediction (guided, learned variance taken off) and
  // the whole float32 sample. Steps are taken in order, each once. `noise`: where the schedule
  // needs_noise, unit noise shaped as the sample, float32, each sample's rows drawn from its own
  // generator after its first latents.
  at::Tensor step(const at::Tensor& prediction, int64_t i, const at::Tensor& sample,
                  const at::Tensor& noise = {});

 private:
  at::Tensor limited(const at::Tensor& estimate) const;
  void remember(const StepRule& rule, const at::Tensor& prediction, const at::Tensor& sample);

  std::shared_ptr<const Schedule> schedule_;
  std::vector<at::Tensor> estimates_;  // newest first
  at::Tensor anchor_;
  int64_t next_ = 0;
};

}  // namespace trireme
