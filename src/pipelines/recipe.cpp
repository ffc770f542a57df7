#include "src/pipelines/recipe.h"

#include <fmt/format.h>

#include <tuple>

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

void check_family(const Sampling& s, Family family, std::vector<Problem>& problems) {
  const auto refuse = [&](const char* key, const char* message) {
    problems.push_back({.place = key, .message = message});
  };
  if (family == Family::kSd3) {
    if (!s.timesteps.empty())
      refuse("timesteps", "given for SD3 -> PixArt-Sigma only -> give sigmas instead");
    return;
  }
  if (!s.sigmas.empty())
    refuse("sigmas", "given for PixArt-Sigma -> SD3 only -> give timesteps instead");
  if (s.clip_skip) refuse("clip_skip", "given for PixArt-Sigma -> SD3 only -> PixArt has no CLIP");
  if (!s.skip_guidance_layers.empty())
    refuse("skip_guidance_layers", "given for PixArt-Sigma -> SD3 only -> leave it out");
}

void check_multiple(const char* key, int64_t pixels, int64_t unit, std::vector<Problem>& problems) {
  if (pixels % unit == 0) return;
  problems.push_back({.place = key,
                      .message = fmt::format("{} -> a multiple of {} -> {} or {} are near", pixels,
                                             unit, std::max(pixels / unit, int64_t{1}) * unit,
                                             (pixels / unit + 1) * unit)});
}

// What sides must divide by where every n-th token of every n-th row is picked, and how large they
// must be for one square that is convolved. A bin is named with what it stands for.
void check_compression(const char* key, int64_t asked, int64_t made, const ModelFacts& model,
                       std::vector<Problem>& problems) {
  const auto patch = model.pixels_per_latent * model.patch_size;
  const auto unit = patch * model.kv_sampling->factor;
  const bool picks = model.kv_sampling->kind == KvSampling::Kind::kGrid;
  const bool squares = model.kv_sampling->kind == KvSampling::Kind::kConv;
  if (picks ? made % unit == 0 : !squares || made >= unit) return;
  const auto below = made / unit * unit;
  problems.push_back(
      {.place = key,
       .message = fmt::format(
           "{}{} -> {} {}, as the model's blocks compress keys and values by {} -> {}{}{}", made,
           made == asked ? "" : fmt::format(", the bin of {},", asked),
           picks ? "a multiple of" : "at least", unit, model.kv_sampling->factor,
           picks && below > 0 ? fmt::format("{} or ", below) : "", below + unit,
           made == asked ? (picks && below > 0 ? " are near" : " is near")
                         : " with use_resolution_binning: false")});
}

void check_positions(const char* key, int64_t made, const ModelFacts& model,
                     std::vector<Problem>& problems) {
  const auto most = *model.most_patches * model.pixels_per_latent * model.patch_size;
  if (made <= most) return;
  problems.push_back(
      {.place = key,
       .message = fmt::format("{} -> at most {}, where this model's table of positions ends -> a "
                              "smaller picture, or model.components.transformer: {{position_table: "
                              "extend}}, which is beyond what the model was trained for",
                              made, most)});
}

// The size asked for, and the one that is made before resizing and cropping.
std::pair<Size, Size> sizes_of(const Sampling& s, const ModelFacts& model) {
  const auto native = model.sample_size * model.pixels_per_latent;
  const Size asked{s.height.value_or(native), s.width.value_or(native)};
  const bool binned = model.family == Family::kPixArtSigma && s.use_resolution_binning;
  return {asked, binned ? bin_for(asked, model.sample_size) : asked};
}

}  // namespace

const char* to_string(Family family) {
  return family == Family::kSd3 ? "sd3" : "pixart-sigma";
}

std::vector<Problem> problems_of(const Sample& sample, const ModelFacts& model) {
  const auto& s = sample.sampling;
  std::vector<Problem> problems;
  check_family(s, model.family, problems);
  const auto [asked, made] = sizes_of(s, model);
  const auto check_side = [&](const char* key, int64_t asked_side, int64_t made_side) {
    const auto patch = model.pixels_per_latent * model.patch_size;
    check_multiple(key, made_side, patch, problems);
    if (made_side % patch == 0 && model.kv_sampling)
      check_compression(key, asked_side, made_side, model, problems);
    if (model.most_patches) check_positions(key, made_side, model, problems);
  };
  check_side("height", asked.height, made.height);
  check_side("width", asked.width, made.width);
  const auto length = s.max_sequence_length.value_or(0);
  if (model.family == Family::kSd3 && length > kLongestSd3Text)
    problems.push_back(
        {.place = "max_sequence_length",
         .message = fmt::format("{} -> at most {} for SD3 -> longer texts are beyond "
                                "what the model was trained for",
                                length, kLongestSd3Text)});
  return problems;
}

Recipe recipe_for(const Sample& sample, const ModelFacts& model) {
  const auto& s = sample.sampling;
  const auto defaults = defaults_of(model.family);
  Recipe r;
  std::tie(r.asked, r.made) = sizes_of(s, model);
  r.max_sequence_length = s.max_sequence_length.value_or(defaults.max_sequence_length);
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
