#include "src/transformers/pixart_config.h"

#include <fmt/format.h>

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

void refuse_other_families(const ComponentConfig& config) {
  if (config.get<std::string>("norm_type") != "ada_norm_single")
    config.refuse("norm_type", "ada_norm_single", "a transformer of another family");
  config.expect("attention_bias", true);
  if (config.get_or<bool>("norm_elementwise_affine", false))
    config.refuse("norm_elementwise_affine", "false", "a transformer of another family");
}

KvSampling::Kind sampling_named(const ComponentConfig& config) {
  const auto name = config.get<std::string>("sampling");
  if (name == "conv") return KvSampling::Kind::kConv;
  // "ave" is no average in the original code: it picks the same tokens as "uniform".
  if (name == "uniform" || name == "ave") return KvSampling::Kind::kGrid;
  if (name == "uniform_every") return KvSampling::Kind::kFlat;
  config.refuse("sampling", "conv, ave, uniform or uniform_every", "a misspelt kind");
}

void read_compression(const ComponentConfig& config, PixArtConfig& c) {
  if (!config.get_or<bool>("kv_compress", false)) return;
  const auto given = config.get<ComponentConfig>("kv_compress_config");
  c.kv_sampling = {sampling_named(given), given.get<int64_t>("scale_factor")};
  if (c.kv_sampling.factor < 1)
    given.refuse("scale_factor", "1 or more", "it is the side of the squares that become a token");
  c.kv_compress_layers = given.get<std::vector<int64_t>>("kv_compress_layer");
  for (const auto block : c.kv_compress_layers)
    if (block < 0 || block >= c.num_layers)
      given.refuse("kv_compress_layer", fmt::format("blocks from 0 to {}", c.num_layers - 1),
                   "the config.json of a deeper model");
}

}  // namespace

std::optional<KvSampling> PixArtConfig::compression() const {
  const bool any = kv_sampling.factor > 1 && !kv_compress_layers.empty();
  return any ? std::optional(kv_sampling) : std::nullopt;
}

std::optional<KvSampling> PixArtConfig::compression(int64_t block) const {
  const auto& layers = kv_compress_layers;
  const bool asked = std::find(layers.begin(), layers.end(), block) != layers.end();
  return asked ? compression() : std::nullopt;
}

PixArtConfig PixArtConfig::read(const ComponentConfig& config) {
  const auto sample_size = config.get<int64_t>("sample_size");
  refuse_micro_conditions(config, sample_size);
  refuse_other_families(config);
  const double default_interpolation = std::max<int64_t>(sample_size / 64, 1);
  PixArtConfig c{
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
      .qk_norm = config.get_or<bool>("qk_norm", false),
  };
  read_compression(config, c);
  return c;
}

}  // namespace trireme
