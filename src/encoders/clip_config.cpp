#include "src/encoders/clip_config.h"

namespace trireme {
namespace {

constexpr int64_t kEndOfText = 49407;  // what transformers takes where the file says nothing

}  // namespace

ClipConfig ClipConfig::read(const ComponentConfig& config) {
  ClipConfig c{
      .vocab = config.get<int64_t>("vocab_size"),
      .positions = config.get<int64_t>("max_position_embeddings"),
      .width = config.get<int64_t>("hidden_size"),
      .hidden = config.get<int64_t>("intermediate_size"),
      .layers = config.get<int64_t>("num_hidden_layers"),
      .heads = config.get<int64_t>("num_attention_heads"),
      .projection = config.get<int64_t>("projection_dim"),
      .eos = config.get_or<int64_t>("eos_token_id", kEndOfText),
      .norm_eps = config.get_or<double>("layer_norm_eps", 1e-5),
      .activation = activation_named(config.get<std::string>("hidden_act")),
  };
  if (c.heads < 1 || c.width % c.heads != 0)
    config.refuse("num_attention_heads", "a divisor of hidden_size", "an edited config.json");
  return c;
}

}  // namespace trireme
