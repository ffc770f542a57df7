#include "src/vae/vae_config.h"

#include <string>

namespace trireme {
namespace {

void refuse_other_blocks(const ComponentConfig& config, int64_t levels) {
  const std::string known = "UpDecoderBlock2D";
  const auto types = config.get_or<std::vector<std::string>>(
      "up_block_types", std::vector<std::string>(levels, known));
  if (types != std::vector<std::string>(levels, known))
    config.refuse("up_block_types", known + " at every level", "a VAE of another family");
  if (config.get_or<std::string>("act_fn", "silu") != "silu")
    config.refuse("act_fn", "silu", "a VAE of another family");
}

}  // namespace

VaeConfig VaeConfig::read(const ComponentConfig& config) {
  VaeConfig c{
      .block_out_channels = config.get<std::vector<int64_t>>("block_out_channels"),
      .layers_per_block = config.get<int64_t>("layers_per_block"),
      .latent_channels = config.get<int64_t>("latent_channels"),
      .out_channels = config.get_or<int64_t>("out_channels", 3),
      .norm_groups = config.get_or<int64_t>("norm_num_groups", 32),
      .post_quant_conv = config.get_or<bool>("use_post_quant_conv", true),
      .mid_attention = config.get_or<bool>("mid_block_add_attention", true),
      .sample_size = config.get_or<int64_t>("sample_size", 32),
      .scaling = config.get_or<double>("scaling_factor", 0.18215),
      .shift = config.get_or<double>("shift_factor", 0.0),
  };
  if (c.block_out_channels.empty())
    config.refuse("block_out_channels", "one level at least", "an edited config.json");
  for (const auto channels : c.block_out_channels)
    if (c.norm_groups < 1 || channels < 1 || channels % c.norm_groups != 0)
      config.refuse("block_out_channels", "multiples of norm_num_groups", "an edited config.json");
  refuse_other_blocks(config, c.levels());
  return c;
}

}  // namespace trireme
