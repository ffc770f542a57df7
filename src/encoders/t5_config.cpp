#include "src/encoders/t5_config.h"

#include <string>

namespace trireme {
namespace {

// "gated-gelu" has always meant the tanh approximation; other names mean themselves.
Activation gated_activation(const ComponentConfig& config) {
  const auto name = config.get<std::string>("feed_forward_proj");
  const std::string gated = "gated-";
  if (name.rfind(gated, 0) != 0)
    config.refuse("feed_forward_proj", "gated-gelu", "T5 v1.0 instead of v1.1");
  return activation_named(name == "gated-gelu" ? "gelu_new" : name.substr(gated.size()));
}

}  // namespace

T5Config T5Config::read(const ComponentConfig& config) {
  return {
      .vocab = config.get<int64_t>("vocab_size"),
      .width = config.get<int64_t>("d_model"),
      .hidden = config.get<int64_t>("d_ff"),
      .layers = config.get<int64_t>("num_layers"),
      .heads = config.get<int64_t>("num_heads"),
      .head_dim = config.get<int64_t>("d_kv"),
      .buckets = config.get_or<int64_t>("relative_attention_num_buckets", 32),
      .max_distance = config.get_or<int64_t>("relative_attention_max_distance", 128),
      .norm_eps = config.get_or<double>("layer_norm_epsilon", 1e-6),
      .activation = gated_activation(config),
  };
}

}  // namespace trireme
