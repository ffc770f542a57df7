#include "src/render/batches.h"

namespace trireme {

void for_each_batch(const Inputs& inputs, int64_t batch_size,
                    const std::function<bool(const Batch&)>& visit) {
  Batch batch;
  const auto leave = [&] {
    if (batch.samples.empty()) return true;
    const bool go_on = visit(batch);
    batch = Batch{.number = batch.number + 1, .samples = {}, .recipe = {}};
    return go_on;
  };
  for (int64_t n = 0; n < inputs.prompts().sample_count(); ++n) {
    auto sample = inputs.prompts().sample(n);
    if (!inputs.has_file(sample)) continue;
    auto recipe = inputs.recipe(sample);
    const bool full = static_cast<int64_t>(batch.samples.size()) == batch_size;
    if (full || (!batch.samples.empty() && recipe != batch.recipe))
      if (!leave()) return;
    batch.recipe = std::move(recipe);
    batch.samples.push_back(std::move(sample));
  }
  leave();
}

}  // namespace trireme
