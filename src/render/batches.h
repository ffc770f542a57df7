// Batches: the samples of a job in the order and company in which they travel. A batch holds
// consecutive samples with equal recipes, at most batch_size of them, so what a sample travels with
// depends on the job alone: not on replicas, nor on what an earlier run already made. The last
// batch, and one before samples of another recipe, is kept small rather than padded.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "src/render/inputs.h"

namespace trireme {

struct Batch {
  int64_t number = 0;  // from zero
  std::vector<Sample> samples;
  Recipe recipe;
};

class Batches {
 public:
  // `inputs` must outlive this. Samples without a file are left out before batches are formed.
  Batches(const Inputs& inputs, int64_t batch_size) : inputs_(inputs), batch_size_(batch_size) {}

  std::optional<Batch> next();

 private:
  const Inputs& inputs_;
  int64_t batch_size_;
  int64_t next_sample_ = 0;
  int64_t next_number_ = 0;
};

}  // namespace trireme
