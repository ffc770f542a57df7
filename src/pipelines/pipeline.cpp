#include "src/pipelines/pipeline.h"

#include <nlohmann/json.hpp>

#include "src/pipelines/components.h"
#include "src/vae/postprocess.h"

namespace trireme {
namespace {

// A tensor that only the root has, and whose shape only it knows; undefined stays undefined.
at::Tensor broadcast_unknown(const Group& group, const at::Tensor& x, int root, at::Device device) {
  constexpr int64_t kMaxDims = 6;
  auto header = at::zeros({kMaxDims + 2}, at::kLong);  // dims + 1 (0: undefined), dtype, sizes
  if (group.rank() == root && x.defined()) {
    header[0] = x.dim() + 1;
    header[1] = static_cast<int64_t>(x.scalar_type());
    for (int64_t d = 0; d < x.dim(); ++d) header[d + 2] = x.size(d);
  }
  header = group.broadcast(header, root);
  const auto* numbers = header.const_data_ptr<int64_t>();
  if (numbers[0] == 0) return {};
  if (group.rank() == root) return group.broadcast(x, root);
  const at::IntArrayRef sizes(numbers + 2, static_cast<size_t>(numbers[0] - 1));
  const auto type = static_cast<at::ScalarType>(numbers[1]);
  return group.broadcast(at::empty(sizes, at::TensorOptions(type).device(device)), root);
}

// Each rank's rows of a picture to rank 0, in their order.
void hand_over(const Group& patch, const at::Tensor& mine, const Split& rows,
               const TakeRows& take) {
  if (patch.rank() > 0) return patch.send(mine, 0);
  take(mine);
  for (int from = 1; from < patch.size(); ++from) {
    const auto like =
        at::empty({}, mine.options()).expand({rows[from].length, mine.size(1), mine.size(2)});
    take(patch.receive(like, from));
  }
}

}  // namespace

ModelFacts facts_of(const Repository& repository) {
  const auto transformer = repository.required("transformer").config();
  // The VAE's levels but the last double the side.
  const auto levels =
      repository.required("vae").config().get<std::vector<int64_t>>("block_out_channels");
  return {.family = family_of(repository),
          .sample_size = transformer.get<int64_t>("sample_size"),
          .pixels_per_latent = int64_t{1} << (levels.size() - 1),
          .patch_size = transformer.get<int64_t>("patch_size")};
}

int64_t block_count(const Repository& repository) {
  return repository.required("transformer").config().get<int64_t>("num_layers");
}

Pipeline::Pipeline(const Repository& repository, Placement placement, PipelineOptions options)
    : facts_(facts_of(repository)),
      placement_(std::move(placement)),
      options_(options),
      scheduler_(scheduler_config(repository)) {
  const ComponentLoader load(repository, options.dtype, options.device);
  const auto& p = placement_;
  if (p.holds(p.text_encoders)) text_ = load.text_encoders(p.encoder_tensor);
  if (options.denoises && p.holds(p.transformer)) denoiser_ = load.denoiser(p.mesh);
  if (options.decodes && p.holds(p.vae)) vae_.emplace(load.vae(p.patch, options.tiles));
}

TextEmbeddings Pipeline::encode(const Prompt& prompt) const {
  const auto& replica = placement_.replica;
  TextEmbeddings text;
  if (text_) text = (*text_)(prompt);
  if (replica.alone()) return text;
  const int root = placement_.text_encoders.front();
  const auto everywhere = [&](const at::Tensor& x) {
    return broadcast_unknown(replica, x, root, options_.device);
  };
  return {everywhere(text.hidden), everywhere(text.pooled), everywhere(text.mask)};
}

SchedulerConfig Pipeline::scheduler_for(const Recipe& recipe) const {
  if (recipe.scheduler.empty()) return SchedulerConfig(scheduler_);
  return SchedulerConfig(scheduler_, nlohmann::json::parse(recipe.scheduler));
}

std::string Pipeline::scheduler_class(const Recipe& recipe) const {
  return scheduler_for(recipe).class_name();
}

DenoiseRequest Pipeline::request_for(const std::vector<Sample>& samples, const Recipe& recipe,
                                     const Conditioning& text) const {
  const auto height = recipe.made.height / facts_.pixels_per_latent;
  const auto width = recipe.made.width / facts_.pixels_per_latent;
  const ScheduleRequest steps{
      .steps = recipe.num_inference_steps,
      .sigmas = recipe.sigmas,
      .timesteps = recipe.timesteps,
      .image_tokens = height * width / (facts_.patch_size * facts_.patch_size)};
  DenoiseRequest request{
      .seeds = {},
      .height = height,
      .width = width,
      .text = text,
      .guidance = recipe.guidance,
      .schedule = std::make_shared<const Schedule>(make_schedule(scheduler_for(recipe), steps)),
      .num_inference_steps = recipe.num_inference_steps};
  for (const auto& sample : samples) request.seeds.push_back(sample.seed);
  return request;
}

// Ranks without a part of the transformer may hold the VAE, and all must know how it ended.
Denoised Pipeline::everywhere(Denoised denoised) const {
  const auto& replica = placement_.replica;
  if (static_cast<int>(placement_.transformer.size()) == replica.size()) return denoised;
  const int root = placement_.transformer.front();
  denoised.complete =
      replica.broadcast(at::tensor(int64_t{denoised.complete}), root).item<int64_t>() != 0;
  if (!denoised.complete) return denoised;
  denoised.latents = broadcast_unknown(replica, denoised.latents, root, options_.device);
  const auto broken =
      broadcast_unknown(replica, at::tensor(denoised.broken_at_step, at::kLong), root, at::kCPU);
  const auto* steps = broken.const_data_ptr<int64_t>();
  denoised.broken_at_step.assign(steps, steps + broken.numel());
  return denoised;
}

Denoised Pipeline::denoise(const std::vector<Sample>& samples, const Recipe& recipe,
                           const Conditioning& text, const GoOn& go_on) const {
  if (!denoiser_) return everywhere({});
  // All leave at the same step, or those left would wait for the others.
  const auto all_go_on = [&](int64_t step) {
    const auto stops = at::tensor(int64_t{!go_on(step)});
    return placement_.denoising.all_reduce(stops).item<int64_t>() == 0;
  };
  return everywhere(trireme::denoise(*denoiser_, placement_.mesh.guidance,
                                     request_for(samples, recipe, text), options_.device,
                                     all_go_on));
}

void Pipeline::decode(const at::Tensor& latents, const Recipe& recipe, const TakeRows& take) const {
  const auto image = (*vae_)(latents.unsqueeze(0).to(options_.dtype));
  const auto rows = vae_->rows(latents.size(1));
  const auto& patch = vae_->patch();
  if (recipe.asked != recipe.made) {
    const auto whole = patch.all_gather(image, /*dim=*/2, rows);
    const auto picture = resize_and_crop(whole, recipe.asked.height, recipe.asked.width);
    if (patch.rank() == 0) take(to_pixels(picture.squeeze(0)));
    return;
  }
  hand_over(patch, to_pixels(image.squeeze(0)), rows, take);
}

}  // namespace trireme
