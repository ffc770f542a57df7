#include "src/pipelines/recipe.h"

#include <fmt/format.h>

#include "parallel/error.h"

namespace trireme {
namespace {

// The defaults of diffusers' pipelines.
struct Defaults {
  int64_t steps;
  double guidance_scale;
  int64_t max_sequence_length;
};

Defaults defaults_of(Family family) {
  return family == Family::kSd3 ? Defaults{28, 7.0, 256} : Defaults{20, 4.5, 300};
}

constexpr int64_t kLongestSd3Text = 512;

[[noreturn]] void refuse(const std::string& text) { throw Error(Exit::kBadJob, text); }

void refuse_what_only_the_other_family_has(const Sampling& s, Family family) {
  if (family == Family::kPixArtSigma) {
    if (!s.sigmas.empty())
      refuse("[sampling.sigmas] given for PixArt-Sigma -> SD3 only -> give timesteps instead");
    if (s.clip_skip)
      refuse("[sampling.clip_skip] given for PixArt-Sigma -> SD3 only -> PixArt has no CLIP");
    if (!s.skip_guidance_layers.empty())
      refuse("[sampling.skip_guidance_layers] given for PixArt-Sigma -> SD3 only -> leave it out");
  } else if (!s.timesteps.empty()) {
    refuse("[sampling.timesteps] given for SD3 -> PixArt-Sigma only -> give sigmas instead");
  }
}

void require_multiple(const char* key, int64_t pixels, int64_t unit) {
  if (pixels % unit == 0) return;
  refuse(fmt::format("[sampling.{}] {} -> a multiple of {} -> {} or {} are near", key, pixels, unit,
                     std::max(pixels / unit, int64_t{1}) * unit, (pixels / unit + 1) * unit));
}

}  // namespace

const char* to_string(Family family) {
  return family == Family::kSd3 ? "sd3" : "pixart-sigma";
}

Recipe recipe_for(const Sample& sample, const ModelFacts& model) {
  const auto& s = sample.sampling;
  const auto defaults = defaults_of(model.family);
  const auto native = model.sample_size * model.pixels_per_latent;
  refuse_what_only_the_other_family_has(s, model.family);
  Recipe r;
  r.asked = {s.height.value_or(native), s.width.value_or(native)};
  const bool binned = model.family == Family::kPixArtSigma && s.use_resolution_binning;
  r.made = binned ? bin_for(r.asked, model.sample_size) : r.asked;
  require_multiple("height", r.made.height, model.pixels_per_latent * model.patch_size);
  require_multiple("width", r.made.width, model.pixels_per_latent * model.patch_size);

  r.max_sequence_length = s.max_sequence_length.value_or(defaults.max_sequence_length);
  if (model.family == Family::kSd3 && r.max_sequence_length > kLongestSd3Text)
    refuse(fmt::format("[sampling.max_sequence_length] {} -> at most {} for SD3 -> longer texts are "
                       "beyond what the model was trained for",
                       r.max_sequence_length, kLongestSd3Text));
  r.sigmas = s.sigmas;
  r.timesteps.assign(s.timesteps.begin(), s.timesteps.end());
  const auto listed = static_cast<int64_t>(r.sigmas.size() + r.timesteps.size());
  r.num_inference_steps = listed ? listed : s.num_inference_steps.value_or(defaults.steps);
  r.guidance = {.scale = s.guidance_scale.value_or(defaults.guidance_scale),
                .skipped = s.skip_guidance_layers,
                .skip_scale = s.skip_layer_guidance_scale,
                .skip_start = s.skip_layer_guidance_start,
                .skip_stop = s.skip_layer_guidance_stop};
  r.clip_skip = s.clip_skip.value_or(0);
  r.clean_caption = s.clean_caption;
  r.scheduler = s.scheduler;
  return r;
}

}  // namespace trireme
