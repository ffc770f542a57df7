// Batches: the samples of a portion of a job in the order and company in which they travel. A batch
// holds samples of equal recipes, at most batch_size of them, in their order; samples of several
// sizes in one portion are parted by recipe. So what a sample travels with depends on the job
// alone: not on replicas, nor on what an earlier run already made. The last batch of a recipe is
// kept small rather than padded.
#pragma once

#include <cstdint>
#include <vector>

#include "src/output/shards.h"
#include "src/render/inputs.h"

namespace trireme {

struct Batch {
  std::vector<Sample> samples;
  Recipe recipe;
  std::vector<bool> recorded;  // of each sample: nothing is written for it
};

struct PortionBatches {
  std::vector<Batch> batches;        // without those that are recorded as a whole
  std::vector<SampleRecord> failed;  // rows that cannot be made, and are not recorded
};

// `recorded`: of each position of the portion. kBadData where a row is bad and the job stops then.
PortionBatches batches_of(const Inputs& inputs, const Portion& portion, int64_t batch_size,
                          const std::vector<bool>& recorded);

}  // namespace trireme
