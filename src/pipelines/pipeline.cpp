#include "src/pipelines/pipeline.h"

#include <nlohmann/json.hpp>

#include "src/pipelines/components.h"
#include "src/pipelines/schedule_for.h"
#include "src/transformers/pixart_config.h"
#include "src/vae/postprocess.h"

namespace trireme {
namespace {

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

// The VAE's levels but the last double the side. All released models have four of them, which is
// what a job without a VAE goes by.
int64_t pixels_per_latent(const Repository& repository) {
  const auto vae = repository.component("vae");
  if (!vae) return 8;
  const auto levels = vae->config().get<std::vector<int64_t>>("block_out_channels");
  return int64_t{1} << (levels.size() - 1);
}

}  // namespace

ModelFacts facts_of(const Repository& repository, BeyondTable beyond) {
  const auto transformer = repository.required("transformer").config();
  const auto family = family_of(repository);
  const bool sd3 = family == Family::kSd3;
  ModelFacts facts{
      .family = family,
      .sample_size = transformer.get<int64_t>("sample_size"),
      .pixels_per_latent = pixels_per_latent(repository),
      .patch_size = transformer.get<int64_t>("patch_size"),
      .text_on_every_stage = !sd3,
      .text_width = transformer.get<int64_t>(sd3 ? "joint_attention_dim" : "caption_channels"),
      .pooled_width = sd3 ? transformer.get<int64_t>("pooled_projection_dim") : 0,
      .latent_channels = transformer.get<int64_t>("in_channels")};
  if (family == Family::kSd3 && beyond == BeyondTable::kRefuse)
    facts.most_patches = transformer.get<int64_t>("pos_embed_max_size");
  if (family == Family::kPixArtSigma)
    facts.kv_sampling = PixArtConfig::read(transformer).compression();
  return facts;
}

int64_t block_count(const Repository& repository) {
  return repository.required("transformer").config().get<int64_t>("num_layers");
}

Pipeline::Pipeline(const Repository& repository, Placement placement, PipelineOptions options)
    : repository_(repository),
      facts_(facts_of(repository)),
      placement_(std::move(placement)),
      options_(options),
      scheduler_(scheduler_config(repository)) {}

void Pipeline::hold(const Parts& parts) {
  const auto& p = placement_;
  const bool text = parts.text && options_.encodes && p.holds(p.layout.text_encoders);
  const bool transformer = parts.transformer && options_.denoises && p.holds(p.layout.transformer);
  const bool vae = parts.vae && options_.decodes && p.holds(p.layout.vae);
  if (!text) text_.reset();
  if (!transformer) denoiser_.reset();
  if (!vae) vae_.reset();
  const auto loader = [&](std::shared_ptr<Residence>& home) {
    bring({});  // those before
    home = options_.waits_on_host ? std::make_shared<Residence>() : nullptr;
    return ComponentLoader(repository_, options_.dtype, options_.device, home);
  };
  if (text && !text_) text_ = loader(text_home_).text_encoders(p.encoder_tensor);
  if (transformer && !denoiser_)
    denoiser_ = loader(transformer_home_).denoiser(p.mesh, options_.beyond_table);
  if (vae && !vae_) vae_.emplace(loader(vae_home_).vae(p.patch, options_.tiles));
}

void Pipeline::bring(const Parts& parts) {
  if (text_home_ && !parts.text) text_home_->leave();
  if (transformer_home_ && !parts.transformer) transformer_home_->leave();
  if (vae_home_ && !parts.vae) vae_home_->leave();
  if (text_home_ && parts.text) text_home_->come();
  if (transformer_home_ && parts.transformer) transformer_home_->come();
  if (vae_home_ && parts.vae) vae_home_->come();
}

void Pipeline::fetch(const Parts& parts) {
  if (text_home_ && parts.text) text_home_->fetch();
  if (transformer_home_ && parts.transformer) transformer_home_->fetch();
  if (vae_home_ && parts.vae) vae_home_->fetch();
}

int Pipeline::writer() const {
  if (options_.decodes) return placement_.layout.vae.front();
  return options_.denoises ? placement_.last_stage().front()
                           : placement_.layout.text_encoders.front();
}

Roles Pipeline::roles() const {
  auto roles = placement_.roles;
  for (int rank = 0; rank < static_cast<int>(roles.size()); ++rank) {
    if (!options_.encodes) roles[rank].encodes = false;
    if (!options_.denoises) roles[rank].stage = -1;
    if (!options_.decodes) roles[rank].decodes = options_.denoises && rank == writer();
  }
  return roles;
}

std::string Pipeline::scheduler_class(const Recipe& recipe) const {
  return scheduler_for(scheduler_, recipe).class_name();
}

std::shared_ptr<const Schedule> Pipeline::schedule(const Recipe& recipe) const {
  return schedule_for(scheduler_, facts_, recipe);
}

StagedBatch Pipeline::begin(const std::vector<Sample>& samples, const Recipe& recipe,
                            const Conditioning& text) const {
  const auto [height, width] = latent_size(facts_, recipe);
  DenoiseRequest request{.seeds = {},
                         .height = height,
                         .width = width,
                         .text = on(options_.device, text),
                         .guidance = recipe.guidance,
                         .schedule = schedule(recipe),
                         .num_inference_steps = recipe.num_inference_steps};
  for (const auto& sample : samples) request.seeds.push_back(sample.seed);
  return {*denoiser_, placement_.mesh, std::move(request), options_.device};
}

void Pipeline::decode(const at::Tensor& latents, const Recipe& recipe, const TakeRows& take) const {
  const auto latent_rows = latent_size(facts_, recipe).height;
  const auto image = vae_->decode_rows(latents.unsqueeze(0).to(tensor_options()), latent_rows);
  const auto rows = vae_->rows(latent_rows);
  const auto& patch = vae_->patch();
  const auto [height, width] = recipe.asked;
  if (recipe.asked == recipe.made) return hand_over(patch, to_pixels(image.squeeze(0)), rows, take);
  if (patch.alone()) return take(to_pixels(resize_and_crop(image, height, width).squeeze(0)));
  const auto resized = resize_and_crop(image, patch, rows, height, width);
  hand_over(patch, to_pixels(resized.mine.squeeze(0)), resized.rows, take);
}

int64_t Pipeline::decode_flops(const Recipe& recipe) const {
  const auto [height, width] = latent_size(facts_, recipe);
  return vae_->flops(height, width);
}

}  // namespace trireme
