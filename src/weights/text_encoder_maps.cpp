#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "src/weights/original_maps.h"

namespace trireme {
namespace {

constexpr int64_t kHeadDim = 64;  // of all published CLIPs; shapes do not tell
const std::vector<std::string> kUnread = {"*logit_scale", "*position_ids", "attn_mask"};

struct ClipShape {
  int64_t vocab = 0, positions = 0, width = 0, hidden = 0, layers = 0, projection = 0;
};

ClipShape clip_shape(KeyMap& m, const std::string& tokens, const std::string& positions,
                     const std::string& layers, const std::string& fc1) {
  const auto table = m.shape(tokens, 2);
  ClipShape s{.vocab = table[0],
              .positions = m.shape(positions, 2)[0],
              .width = table[1],
              .hidden = m.shape(layers + "0." + fc1, 2)[0],
              .layers = m.count(layers),
              .projection = table[1]};
  if (s.width % kHeadDim != 0)
    m.refuse(fmt::format("{} wide", s.width), "a multiple of 64, a head's width",
             "a text encoder of another family");
  m.call(fmt::format(
      "a CLIP text encoder of {} layers, {} wide (CLIP-L has 12 and 768, bigG 32 and 1280)",
      s.layers, s.width));
  return s;
}

ComponentConfig clip_config(const KeyMap& m, const ClipShape& s, const char* activation) {
  return {nlohmann::json{{"architectures", {"CLIPTextModelWithProjection"}},
                         {"vocab_size", s.vocab},
                         {"max_position_embeddings", s.positions},
                         {"hidden_size", s.width},
                         {"intermediate_size", s.hidden},
                         {"num_hidden_layers", s.layers},
                         {"num_attention_heads", s.width / kHeadDim},
                         {"projection_dim", s.projection},
                         {"hidden_act", activation},
                         // What the published configs say and mean by it: the largest id.
                         {"eos_token_id", 2}},
          m.place()};
}

// Names of transformers, which are the model's own.
ClipShape map_clip(KeyMap& m) {
  const std::string embeddings = "text_model.embeddings.", layers = "text_model.encoder.layers.",
                    tokens = embeddings + "token_embedding.weight",
                    positions = embeddings + "position_embedding.weight",
                    final_norm = "text_model.final_layer_norm";
  const auto s = clip_shape(m, tokens, positions, layers, "mlp.fc1.weight");
  m.tensor(tokens, tokens, {s.vocab, s.width});
  m.tensor(positions, positions, {s.positions, s.width});
  for (int64_t i = 0; i < s.layers; ++i) {
    const auto layer = fmt::format("{}{}.", layers, i);
    for (const auto* norm : {"layer_norm1", "layer_norm2"})
      m.layer(layer + norm, layer + norm, {s.width});
    for (const auto* projection : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      const auto name = layer + "self_attn." + projection;
      m.layer(name, name, {s.width, s.width});
    }
    m.layer(layer + "mlp.fc1", layer + "mlp.fc1", {s.hidden, s.width});
    m.layer(layer + "mlp.fc2", layer + "mlp.fc2", {s.width, s.hidden});
  }
  m.layer(final_norm, final_norm, {s.width});
  m.ignore(kUnread);
  return s;
}

ClipShape map_open_clip(KeyMap& m) {
  const std::string layers = "transformer.resblocks.", theirs = "text_model.encoder.layers.",
                    embeddings = "text_model.embeddings.";
  auto s =
      clip_shape(m, "token_embedding.weight", "positional_embedding", layers, "mlp.c_fc.weight");
  s.projection = m.shape("text_projection", 2)[1];
  m.tensor("token_embedding.weight", embeddings + "token_embedding.weight", {s.vocab, s.width});
  m.tensor("positional_embedding", embeddings + "position_embedding.weight",
           {s.positions, s.width});
  for (int64_t i = 0; i < s.layers; ++i) {
    const auto old = fmt::format("{}{}.", layers, i), name = fmt::format("{}{}.", theirs, i);
    const auto q = name + "self_attn.q_proj.", k = name + "self_attn.k_proj.",
               v = name + "self_attn.v_proj.";
    m.layer(old + "ln_1", name + "layer_norm1", {s.width});
    m.layer(old + "ln_2", name + "layer_norm2", {s.width});
    m.split(old + "attn.in_proj_weight", {q + "weight", k + "weight", v + "weight"},
            {3 * s.width, s.width});
    m.split(old + "attn.in_proj_bias", {q + "bias", k + "bias", v + "bias"}, {3 * s.width});
    m.layer(old + "attn.out_proj", name + "self_attn.out_proj", {s.width, s.width});
    m.layer(old + "mlp.c_fc", name + "mlp.fc1", {s.hidden, s.width});
    m.layer(old + "mlp.c_proj", name + "mlp.fc2", {s.width, s.hidden});
  }
  m.layer("ln_final", "text_model.final_layer_norm", {s.width});
  m.transposed("text_projection", "text_projection.weight", {s.width, s.projection});
  m.ignore(kUnread);
  return s;
}

struct T5Shape {
  int64_t vocab = 0, width = 0, hidden = 0, layers = 0, heads = 0, attention = 0, buckets = 0;
};

constexpr const char* kBias =
    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
constexpr const char* kEmbeddings[] = {"shared.weight", "encoder.embed_tokens.weight"};

T5Shape t5_shape(KeyMap& m) {
  const std::string first = "encoder.block.0.layer.";
  if (m.has(first + "1.DenseReluDense.wi.weight"))
    m.refuse("a feed-forward network without a gate (DenseReluDense.wi)", "wi_0 and wi_1",
             "T5 v1.0 instead of v1.1");
  const auto table = m.shape(m.has(kEmbeddings[0]) ? kEmbeddings[0] : kEmbeddings[1], 2);
  const auto bias = m.shape(kBias, 2);
  T5Shape s{.vocab = table[0],
            .width = table[1],
            .hidden = m.shape(first + "1.DenseReluDense.wi_0.weight", 2)[0],
            .layers = m.count("encoder.block."),
            .heads = bias[1],
            .attention = m.shape(first + "0.SelfAttention.q.weight", 2)[0],
            .buckets = bias[0]};
  m.call(fmt::format("a T5 encoder of {} layers, {} wide (T5-XXL has 24 and 4096)", s.layers,
                     s.width));
  if (s.heads < 1 || s.attention % s.heads != 0)
    m.refuse(fmt::format("{} heads and queries of {}", s.heads, s.attention),
             "heads that divide the queries", "a damaged file");
  return s;
}

void map_t5_tensors(KeyMap& m, const T5Shape& s) {
  const auto same = [&](const std::string& name, const KeyMap::Shape& shape) {
    m.tensor(name, name, shape);
  };
  for (const auto* name : kEmbeddings)  // either is enough, and files hold both
    if (m.has(name)) same(name, {s.vocab, s.width});
  same(kBias, {s.buckets, s.heads});
  for (int64_t i = 0; i < s.layers; ++i) {
    const auto block = fmt::format("encoder.block.{}.layer.", i);
    const auto attention = block + "0.SelfAttention.", mlp = block + "1.DenseReluDense.";
    for (const auto* name : {"q.weight", "k.weight", "v.weight"})
      same(attention + name, {s.attention, s.width});
    same(attention + "o.weight", {s.width, s.attention});
    same(block + "0.layer_norm.weight", {s.width});
    for (const auto* name : {"wi_0.weight", "wi_1.weight"}) same(mlp + name, {s.hidden, s.width});
    same(mlp + "wo.weight", {s.width, s.hidden});
    same(block + "1.layer_norm.weight", {s.width});
  }
  same("encoder.final_layer_norm.weight", {s.width});
  m.ignore({"*logit_scale"});
}

}  // namespace

MappedPart map_clip_l(KeyMap m) {
  const auto s = map_clip(m);
  m.ignore({"text_projection.weight"});
  m.identity("text_projection.weight", s.width);
  auto config = clip_config(m, s, "quick_gelu");
  return {std::move(config), std::move(m).finish()};
}

MappedPart map_clip_g(KeyMap m) {
  ClipShape s;
  if (m.any("transformer.resblocks.")) {
    s = map_open_clip(m);
  } else {
    s = map_clip(m);
    s.projection = m.shape("text_projection.weight", 2)[0];
    m.tensor("text_projection.weight", "text_projection.weight", {s.projection, s.width});
  }
  auto config = clip_config(m, s, "gelu");
  return {std::move(config), std::move(m).finish()};
}

MappedPart map_t5(KeyMap m) {
  const auto s = t5_shape(m);
  map_t5_tensors(m, s);
  ComponentConfig config(nlohmann::json{{"architectures", {"T5EncoderModel"}},
                                        {"vocab_size", s.vocab},
                                        {"d_model", s.width},
                                        {"d_ff", s.hidden},
                                        {"num_layers", s.layers},
                                        {"num_heads", s.heads},
                                        {"d_kv", s.attention / s.heads},
                                        {"relative_attention_num_buckets", s.buckets},
                                        {"feed_forward_proj", "gated-gelu"}},
                         m.place());
  return {std::move(config), std::move(m).finish()};
}

}  // namespace trireme
