// Outcome: what became of each file of a job. Each rank notes what it knows; at the end the ranks
// lay their notes together.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "parallel/group.h"
#include "src/render/inputs.h"
#include "src/report/report.h"

namespace trireme {

// Ordered so that, of what ranks know of one file, the largest is the truth: a failure is noted by
// every rank of a replica, a file by the one that wrote it.
enum class Fate : int64_t { kNotMade, kMade, kFailed, kWasThere };

class Outcome {
 public:
  explicit Outcome(int64_t files) : fates_(at::zeros({files}, at::kLong)) {}

  void note(int64_t position, Fate fate) { fates_[position] = static_cast<int64_t>(fate); }
  Fate of(int64_t position) const;
  int64_t count(Fate fate) const;

  // Collective: the notes of all ranks, laid together.
  Outcome over(const Group& world) const;

 private:
  at::Tensor fates_;  // int64 [files]
};

// A row for each file that is there or failed.
std::vector<MetadataRow> metadata_rows(const Inputs& inputs, const Outcome& outcome);

// Collective: the report of every rank, in their order, on all of them.
std::vector<RankReport> gather_reports(const Group& world, const RankReport& mine);

}  // namespace trireme
