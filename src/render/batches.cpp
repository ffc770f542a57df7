#include "src/render/batches.h"

namespace trireme {

std::optional<Batch> Batches::next() {
  Batch batch{.number = next_number_, .samples = {}, .recipe = {}};
  for (; next_sample_ < inputs_.sample_count(); ++next_sample_) {
    auto sample = inputs_.sample(next_sample_);
    if (!inputs_.has_file(sample)) continue;
    auto recipe = inputs_.recipe(sample);
    const bool full = static_cast<int64_t>(batch.samples.size()) == batch_size_;
    if (full || (!batch.samples.empty() && recipe != batch.recipe)) break;
    batch.recipe = std::move(recipe);
    batch.samples.push_back(std::move(sample));
  }
  if (batch.samples.empty()) return std::nullopt;
  ++next_number_;
  return batch;
}

}  // namespace trireme
