// Batches: the samples of a job in the order and company in which they travel. A batch holds
// consecutive samples with equal recipes, at most batch_size of them, so what a sample travels with
// depends on the job alone: not on replicas, nor on what an earlier run already made.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "src/config/prompts.h"
#include "src/pipelines/recipe.h"

namespace trireme {

struct Batch {
  int64_t number = 0;  // from zero
  std::vector<Sample> samples;
  Recipe recipe;
};

// Calls `visit` with every batch in order. Recipes that the model cannot follow end it with their
// Error. `wanted` leaves samples out before batches are formed (embeds: one a row).
void for_each_batch(const Prompts& prompts, const ModelFacts& model, int64_t batch_size,
                    const std::function<bool(const Sample&)>& wanted,
                    const std::function<void(const Batch&)>& visit);

}  // namespace trireme
