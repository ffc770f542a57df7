#include "src/pipelines/schedule_for.h"

#include <nlohmann/json.hpp>

namespace trireme {

SchedulerConfig scheduler_for(const nlohmann::json& checkpoint, const Recipe& recipe) {
  if (recipe.scheduler.empty()) return SchedulerConfig(checkpoint);
  return SchedulerConfig(checkpoint, nlohmann::json::parse(recipe.scheduler));
}

std::shared_ptr<const Schedule> schedule_for(const nlohmann::json& checkpoint,
                                             const ModelFacts& model, const Recipe& recipe) {
  const auto [height, width] = latent_size(model, recipe);
  const ScheduleRequest steps{
      .steps = recipe.num_inference_steps,
      .sigmas = recipe.sigmas,
      .timesteps = recipe.timesteps,
      .image_tokens = height * width / (model.patch_size * model.patch_size)};
  return std::make_shared<const Schedule>(make_schedule(scheduler_for(checkpoint, recipe), steps));
}

Size latent_size(const ModelFacts& model, const Recipe& recipe) {
  return {recipe.made.height / model.pixels_per_latent,
          recipe.made.width / model.pixels_per_latent};
}

}  // namespace trireme
