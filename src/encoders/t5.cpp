#include "src/encoders/t5.h"

#include <cmath>

#include "parallel/layers/attention.h"

namespace trireme {
namespace {

// As a score it makes a weight of zero, and a row of nothing else still has a softmax.
double lowest(at::ScalarType type) {
  constexpr double kHalf = -65504.0, kBFloat16 = -3.3895313892515355e38;
  return type == at::kHalf ? kHalf : kBFloat16;
}

LinearShape heads_out(const T5Config& c) {
  return {.in = c.width, .out = c.attention_width(), .unit = c.head_dim, .bias = false};
}

LinearShape heads_in(const T5Config& c) {
  return {.in = c.attention_width(), .out = c.width, .unit = c.head_dim, .bias = false};
}

// Files hold the embedding as "shared", as "encoder.embed_tokens", or twice.
Weights embedding_scope(const Weights& weights) {
  const auto shared = weights / "shared", duplicate = weights / "encoder" / "embed_tokens";
  if (!shared.has("weight") && duplicate.has("weight")) return duplicate;
  duplicate.elsewhere();
  return shared;
}

// A row of the table is one token's numbers as they are, with no sum to level out errors: rows of
// int8 even where matrices are nf4.
Quantization for_embedding(Quantization how) {
  if (how.kind == Quantization::Kind::kNf4) how.kind = Quantization::Kind::kInt8;
  return how;
}

at::Tensor read_biases(const Weights& weights, const T5Config& c, const Group& tensor) {
  const auto scope = weights / "encoder" / "block" / 0 / "layer" / 0 / "SelfAttention";
  return (scope / "relative_attention_bias")
      .read("weight", {c.buckets, c.heads}, 1, Split(c.heads, tensor.size())[tensor.rank()]);
}

}  // namespace

at::Tensor relative_buckets(int64_t tokens, int64_t buckets, int64_t max_distance) {
  const auto position = at::arange(tokens, at::kLong);
  const auto relative = position.unsqueeze(0) - position.unsqueeze(1);  // key - query
  const auto distance = relative.abs();
  const auto side = buckets / 2, exact = side / 2;
  const auto span = std::log(static_cast<double>(max_distance) / static_cast<double>(exact));
  const auto shared = distance.to(at::kFloat).div(static_cast<double>(exact)).log().div(span);
  const auto far = shared.mul(static_cast<double>(side - exact)).clamp_min(0).to(at::kLong) + exact;
  return at::where(distance < exact, distance, far.clamp_max(side - 1)) + relative.gt(0).mul(side);
}

T5Attention::T5Attention(const Weights& w, const T5Config& c, const Group& tensor)
    : qkv({w / "q", w / "k", w / "v"}, tensor, heads_out(c)),
      out(w / "o", tensor, heads_in(c)),
      head_dim(c.head_dim) {}

at::Tensor T5Attention::operator()(const at::Tensor& x, const at::Tensor& bias) const {
  const auto [q, k, v] = qkv(x);
  return out(merge_heads(attend(split_heads(q, head_dim), split_heads(k, head_dim),
                                split_heads(v, head_dim), {.bias = bias, .scale = 1.0})));
}

T5FeedForward::T5FeedForward(const Weights& w, const T5Config& c, const Group& tensor)
    : gate_and_up({w / "wi_0", w / "wi_1"}, tensor,
                  {.in = c.width, .out = c.hidden, .bias = false}),
      down(w / "wo", tensor, {.in = c.hidden, .out = c.width, .bias = false}),
      activation(c.activation) {}

at::Tensor T5FeedForward::operator()(const at::Tensor& x) const {
  const auto [gate, up] = gate_and_up(x);
  const auto opened = activate(gate, activation);
  // What T5-XXL adds here exceeds 65504, the end of float16.
  if (x.scalar_type() == at::kHalf) return down.in_float32(opened.to(at::kFloat) * up);
  return down(opened * up);
}

T5Layer::T5Layer(const Weights& w, const T5Config& c, const Group& tensor)
    : norm1(w / "layer" / 0 / "layer_norm", c.width, c.norm_eps),
      norm2(w / "layer" / 1 / "layer_norm", c.width, c.norm_eps),
      attention(w / "layer" / 0 / "SelfAttention", c, tensor),
      mlp(w / "layer" / 1 / "DenseReluDense", c, tensor) {}

at::Tensor T5Layer::operator()(const at::Tensor& x, const at::Tensor& bias) const {
  const auto attended = x + attention(norm1(x), bias);
  return attended + mlp(norm2(attended));
}

T5Encoder::T5Encoder(const T5Config& c, const Weights& weights, const Group& tensor)
    : config_(c),
      tensor_{tensor.rank(), tensor.size()},
      tokens_(embedding_scope(weights), "weight", tensor, c.vocab, c.width,
              for_embedding(weights.quantization())),
      biases_(read_biases(weights, c, tensor)),
      final_norm_(weights / "encoder" / "final_layer_norm", c.width, c.norm_eps) {
  const auto blocks = weights / "encoder" / "block";
  for (int64_t i = 0; i < c.layers; ++i) layers_.emplace_back(blocks / i, c, tensor);
}

at::Tensor T5Encoder::operator()(const at::Tensor& ids, const at::Tensor& mask) const {
  auto bias = position_bias(ids.size(1));
  if (mask.defined())
    bias = bias.masked_fill(mask.eq(0).unsqueeze(1).unsqueeze(1), lowest(bias.scalar_type()));

  auto x = tokens_(ids).to(at::kFloat);
  for (const auto& layer : layers_) x = layer(x, bias);
  return final_norm_(x);
}

at::Tensor T5Encoder::position_bias(int64_t tokens) const {
  const auto buckets = relative_buckets(tokens, config_.buckets, config_.max_distance);
  return at::embedding(biases_, buckets.to(biases_.device()))
      .permute({2, 0, 1})
      .unsqueeze(0)
      .contiguous();
}

}  // namespace trireme
