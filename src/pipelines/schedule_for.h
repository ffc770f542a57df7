// schedule_for: how a batch of a recipe is stepped, by the checkpoint's scheduler and the job's own
// choice over it.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "src/pipelines/recipe.h"
#include "src/schedulers/schedule.h"
#include "src/schedulers/scheduler_config.h"

namespace trireme {

// `checkpoint`: its scheduler_config.json.
SchedulerConfig scheduler_for(const nlohmann::json& checkpoint, const Recipe& recipe);
std::shared_ptr<const Schedule> schedule_for(const nlohmann::json& checkpoint,
                                             const ModelFacts& model, const Recipe& recipe);

// Of a picture before it is resized.
Size latent_size(const ModelFacts& model, const Recipe& recipe);

}  // namespace trireme
