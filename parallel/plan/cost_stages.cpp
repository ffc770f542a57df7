// The transformer's part of cost.h, stage by stage.
#include "parallel/plan/cost.h"
#include "parallel/plan/cost_parts.h"

namespace trireme {
namespace {

// Of a step besides the talk: float32 latents read or written, and pieces of work launched
// (guidance 3, the solver 6, the check for NaN 2).
constexpr double kStepTraffic = 25, kStepLaunches = 11;

}  // namespace

// Of the first rank of a stage, which has as much as any other.
Setting OperationCosts::place(int stage, const Workload& work, const Shape& shape,
                              const Rates& rates) const {
  const auto& mesh = layout_.mesh;
  const int inner = mesh.sequence * mesh.tensor, ulysses = mesh.sequence / mesh.ring;
  const auto group = [&](int count, int stride) {
    std::vector<int> ranks;
    for (int i = 0; i < count; ++i)
      ranks.push_back(layout_.transformer[stage * inner + i * stride]);
    return ranks;
  };
  Setting place{.rates = rates,
                .at = {.pipeline = {stage, mesh.pipeline},
                       .ulysses = {0, ulysses},
                       .ring = {0, mesh.ring},
                       .tensor = {0, mesh.tensor}},
                .rows = rows_of(layout_, shape),
                .steps = shape.steps,
                .image_tokens = shape.image_tokens,
                .text_tokens = shape.text_tokens,
                .width = work.transformer->width,
                .element_bytes = work.element_bytes,
                .text_travels = work.transformer->text_travels,
                .storage = work.transformer->storage};
  if (inner == 1) return place;
  const auto all = ranks_of_stage(roles_, stage);
  place.tensor = talk(group(mesh.tensor, 1), all);
  place.ulysses = talk(group(ulysses, mesh.tensor), all);
  place.ring = talk(group(mesh.ring, mesh.tensor * ulysses), all);
  place.sequence = talk(group(mesh.sequence, mesh.tensor), all);
  return place;
}

// A block that is like the one before it is not looked at again.
OperationCosts::Stage OperationCosts::stage_of(int stage, const Setting& place,
                                               const Workload& work, Part blocks) const {
  const auto& model = *work.transformer;
  Stage costs;
  const auto add = [&](const Layer& layer) {
    costs.begin.effort += effort_once(layer, place);
    costs.weight_bytes += weights_of(layer, model.storage, layout_.mesh.tensor);
  };
  add(model.every_stage);
  for (auto i = blocks.begin; i < blocks.end();) {
    const auto& block = model.blocks[i];
    auto next = i + 1;
    while (next < blocks.end() && model.blocks[next] == block) ++next;
    const auto times = static_cast<double>(next - i);
    costs.begin.effort += times * effort_once(block, place);
    costs.forward.effort += times * effort_every(block, place);
    costs.weight_bytes += times * weights_of(block, model.storage, layout_.mesh.tensor);
    i = next;
  }
  if (stage == 0) {
    add(model.first);
    costs.forward.effort += effort_every(model.first, place);
  }
  if (stage == layout_.mesh.pipeline - 1) {
    add(model.last);
    costs.forward.effort += effort_of_head(model.last, place);
  }
  return costs;
}

// The branches meet, and the scheduler steps, in float32 on every rank of the last stage.
Effort OperationCosts::step_of(int stage, const Setting& place, const Workload& work,
                               const Shape& shape) const {
  if (stage != layout_.mesh.pipeline - 1) return {};
  const double latents = kFloatBytes * layout_.batch_size *
                         static_cast<double>(work.transformer->latent_channels *
                                             shape.latent_height * shape.latent_width);
  Effort effort{.element_wise = kStepTraffic * latents / place.rates.copy,
                .launches = kStepLaunches * place.rates.launch};
  if (layout_.mesh.guidance > 1 && shape.branches > 1) {
    const auto half = layout_.transformer.size() / 2;
    const auto first = static_cast<size_t>(stage * layout_.mesh.sequence * layout_.mesh.tensor);
    const std::vector<int> pair{layout_.transformer[first], layout_.transformer[half + first]};
    effort.gathers = talk(pair, ranks_of_stage(roles_, stage)).reduce_or_gather(latents);
    effort.sent.all_gather = latents;
  }
  finish(effort, place.rates);
  return effort;
}

void OperationCosts::add_stages(const Workload& work, const Shape& shape) {
  if (!work.transformer) return;
  const auto split = stages_of(layout_.mesh, work.transformer->block_costs);
  stages_.resize(layout_.mesh.pipeline);
  for (int stage = 0; stage < layout_.mesh.pipeline; ++stage) {
    auto& slowest = stages_[stage];
    for (const auto* rates : kinds_of(ranks_of_stage(roles_, stage))) {
      const auto at = place(stage, work, shape, *rates);
      const auto costs = stage_of(stage, at, work, split[stage]);
      slowest.begin.effort = slower(slowest.begin.effort, costs.begin.effort);
      slowest.forward.effort = slower(slowest.forward.effort, costs.forward.effort);
      slowest.step.effort = slower(slowest.step.effort, step_of(stage, at, work, shape));
      slowest.weight_bytes = costs.weight_bytes;
    }
  }
}

}  // namespace trireme
