#include "src/render/batches.h"

namespace trireme {

void for_each_batch(const Prompts& prompts, const ModelFacts& model, int64_t batch_size,
                    const std::function<bool(const Sample&)>& wanted,
                    const std::function<void(const Batch&)>& visit) {
  Batch batch;
  const auto leave = [&] {
    if (batch.samples.empty()) return;
    visit(batch);
    batch = Batch{.number = batch.number + 1, .samples = {}, .recipe = {}};
  };
  for (int64_t n = 0; n < prompts.sample_count(); ++n) {
    auto sample = prompts.sample(n);
    if (!wanted(sample)) continue;
    auto recipe = recipe_for(sample, model);
    if (!batch.samples.empty() && recipe != batch.recipe) leave();
    batch.recipe = std::move(recipe);
    batch.samples.push_back(std::move(sample));
    if (static_cast<int64_t>(batch.samples.size()) == batch_size) leave();
  }
  leave();
}

}  // namespace trireme
