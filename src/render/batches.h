// Batches: the samples of a job in the order and company in which they travel. A batch holds
// consecutive samples with equal recipes, at most batch_size of them, so what a sample travels with
// depends on the job alone: not on replicas, nor on what an earlier run already made.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "src/render/inputs.h"

namespace trireme {

struct Batch {
  int64_t number = 0;  // from zero
  std::vector<Sample> samples;
  Recipe recipe;
};

// Calls `visit` with every batch in order, until it says false. Samples without a file are left out
// before batches are formed.
void for_each_batch(const Inputs& inputs, int64_t batch_size,
                    const std::function<bool(const Batch&)>& visit);

}  // namespace trireme
