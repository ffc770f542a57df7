#include "src/transformers/sd3_config.h"

#include <algorithm>

namespace trireme {

bool Sd3Config::dual(int64_t block) const {
  return std::find(dual_attention_layers.begin(), dual_attention_layers.end(), block) !=
         dual_attention_layers.end();
}

Sd3Config Sd3Config::read(const ComponentConfig& config) {
  Sd3Config c{
      .sample_size = config.get<int64_t>("sample_size"),
      .patch_size = config.get<int64_t>("patch_size"),
      .in_channels = config.get<int64_t>("in_channels"),
      .out_channels = config.get_or<int64_t>("out_channels", config.get<int64_t>("in_channels")),
      .num_layers = config.get<int64_t>("num_layers"),
      .head_dim = config.get<int64_t>("attention_head_dim"),
      .heads = config.get<int64_t>("num_attention_heads"),
      .joint_attention_dim = config.get<int64_t>("joint_attention_dim"),
      .pooled_projection_dim = config.get<int64_t>("pooled_projection_dim"),
      .pos_embed_max_size = config.get<int64_t>("pos_embed_max_size"),
      .dual_attention_layers = config.get_or<std::vector<int64_t>>("dual_attention_layers", {}),
  };
  const auto qk_norm = config.get_or<std::string>("qk_norm", "");
  if (!qk_norm.empty() && qk_norm != "rms_norm")
    config.refuse("qk_norm", "rms_norm or null", "a transformer of another family");
  c.qk_norm = qk_norm == "rms_norm";
  if (config.get<int64_t>("caption_projection_dim") != c.width())
    config.refuse("caption_projection_dim", "num_attention_heads x attention_head_dim",
                  "an edited config.json");
  return c;
}

}  // namespace trireme
