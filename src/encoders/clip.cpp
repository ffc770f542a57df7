#include "src/encoders/clip.h"

#include <fmt/format.h>

#include "parallel/error.h"
#include "parallel/layers/attention.h"

namespace trireme {
namespace {

// Configs written before transformers 4.31 say 2 for the end of text and mean the largest id.
constexpr int64_t kLegacyEos = 2;

LinearShape heads_in(const ClipConfig& c) {
  return {.in = c.width, .out = c.width, .unit = c.head_dim()};
}

void require_layers(int64_t clip_skip, int64_t layers) {
  if (clip_skip >= 0 && clip_skip < layers) return;
  throw Error(Exit::kBadJob,
              fmt::format("[clip_skip] {} -> 0 to {} -> the text encoder has {} layers, and one at "
                          "least must be left",
                          clip_skip, layers - 1, layers));
}

}  // namespace

ClipAttention::ClipAttention(const Weights& w, const ClipConfig& c, const Group& tensor)
    : qkv({w / "q_proj", w / "k_proj", w / "v_proj"}, tensor, heads_in(c)),
      out(w / "out_proj", tensor, heads_in(c)),
      head_dim(c.head_dim()) {}

at::Tensor ClipAttention::operator()(const at::Tensor& x) const {
  const auto [q, k, v] = qkv(x);
  return out(merge_heads(attend(split_heads(q, head_dim), split_heads(k, head_dim),
                                split_heads(v, head_dim), {.causal = true})));
}

ClipLayer::ClipLayer(const Weights& w, const ClipConfig& c, const Group& tensor)
    : norm1(w / "layer_norm1", c.width, c.norm_eps),
      norm2(w / "layer_norm2", c.width, c.norm_eps),
      attention(w / "self_attn", c, tensor),
      fc1(w / "mlp" / "fc1", tensor, {.in = c.width, .out = c.hidden}),
      fc2(w / "mlp" / "fc2", tensor, {.in = c.hidden, .out = c.width}),
      activation(c.activation) {}

at::Tensor ClipLayer::operator()(const at::Tensor& x) const {
  const auto attended = x + attention(norm1(x));
  return attended + fc2(activate(fc1(norm2(attended)), activation));
}

ClipTextModel::ClipTextModel(const ClipConfig& c, const Weights& weights, const Group& tensor)
    : config_(c),
      tensor_{tensor.rank(), tensor.size()},
      tokens_(weights / "text_model" / "embeddings" / "token_embedding", "weight", tensor, c.vocab,
              c.width),
      positions_((weights / "text_model" / "embeddings" / "position_embedding")
                     .read("weight", {c.positions, c.width})),
      final_norm_(weights / "text_model" / "final_layer_norm", c.width, c.norm_eps),
      projection_(weights / "text_projection",
                  {.in = c.width, .out = c.projection, .bias = false, .plain = true}) {
  const auto layers = weights / "text_model" / "encoder" / "layers";
  for (int64_t i = 0; i < c.layers; ++i) layers_.emplace_back(layers / i, c, tensor);
}

ClipOutput ClipTextModel::operator()(const at::Tensor& ids, int64_t clip_skip) const {
  require_layers(clip_skip, config_.layers);
  std::vector<at::Tensor> states{embed(ids)};
  for (const auto& layer : layers_) states.push_back(layer(states.back()));

  const auto row = at::arange(ids.size(0), ids.options());
  const auto last = states.back().index({row, end_of_text(ids)});  // [batch, width]
  return {.hidden = states[config_.layers - 1 - clip_skip],
          .pooled = projection_(final_norm_(last))};
}

at::Tensor ClipTextModel::embed(const at::Tensor& ids) const {
  if (ids.size(1) > config_.positions)
    throw Error(Exit::kBug, fmt::format("[text encoder] {} tokens -> at most {} -> the tokenizer "
                                        "did not cut the text",
                                        ids.size(1), config_.positions));
  return tokens_(ids) + positions_.narrow(0, 0, ids.size(1));
}

at::Tensor ClipTextModel::end_of_text(const at::Tensor& ids) const {
  if (config_.eos == kLegacyEos) return ids.argmax(1);
  return ids.eq(config_.eos).to(at::kInt).argmax(1);  // the first of equals
}

}  // namespace trireme
