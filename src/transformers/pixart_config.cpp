#include "src/transformers/pixart_config.h"

#include <algorithm>

namespace trireme {
namespace {

// diffusers: null means true for the 1024 pixel model, which for Sigma is never right.
void refuse_micro_conditions(const ComponentConfig& config, int64_t sample_size) {
  constexpr int64_t kAlphaSampleSize = 128;
  const auto given = config.find<bool>("use_additional_conditions");
  if (given.value_or(sample_size == kAlphaSampleSize))
    config.refuse("use_additional_conditions", "false", "this is PixArt-alpha, not PixArt-Sigma");
}

}  // namespace

PixArtConfig PixArtConfig::read(const ComponentConfig& config) {
  const auto sample_size = config.get<int64_t>("sample_size");
  refuse_micro_conditions(config, sample_size);
  config.expect<std::string>("norm_type", "ada_norm_single");
  config.expect<bool>("attention_bias", true);
  if (config.get_or<bool>("norm_elementwise_affine", false))
    config.refuse("norm_elementwise_affine", "false", "a transformer of another family");
  const double default_interpolation = std::max<int64_t>(sample_size / 64, 1);
  return {
      .sample_size = sample_size,
      .patch_size = config.get<int64_t>("patch_size"),
      .in_channels = config.get<int64_t>("in_channels"),
      .out_channels = config.get<int64_t>("out_channels"),
      .num_layers = config.get<int64_t>("num_layers"),
      .head_dim = config.get<int64_t>("attention_head_dim"),
      .heads = config.get<int64_t>("num_attention_heads"),
      .caption_channels = config.get<int64_t>("caption_channels"),
      .interpolation_scale = config.get_or<double>("interpolation_scale", default_interpolation),
      .norm_eps = config.get_or<double>("norm_eps", 1e-6),
      .activation = activation_named(config.get<std::string>("activation_fn")),
  };
}

}  // namespace trireme
