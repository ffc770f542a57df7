#include "src/transformers/pixart_block.h"

namespace trireme {
namespace {

enum Part : int64_t { kShift, kScale, kGate, kMlpShift, kMlpScale, kMlpGate, kParts };

LinearShape heads_in(const PixArtConfig& c) {
  return {.in = c.width(), .out = c.width(), .unit = c.head_dim};
}

Weights scope(const Weights& model, int64_t block) {
  return model / "transformer_blocks" / block;
}

// diffusers has no names for what only the original repository has. Files that were converted keep
// them below diffusers' block or below the original one.
Weights holding(const char* module, const Weights& converted, const Weights& original) {
  const bool first = !(converted / module).has("weight") && (original / module).has("weight");
  return first ? original : converted;
}

}  // namespace

PixArtSelfAttention::PixArtSelfAttention(const Weights& w, const Weights& original,
                                         const PixArtConfig& c, std::optional<KvSampling> sampling,
                                         const Mesh& mesh)
    : qkv({w / "to_q", w / "to_k", w / "to_v"}, mesh.tensor, heads_in(c)),
      out(w / "to_out" / 0, mesh.tensor, heads_in(c)),
      head_dim(c.head_dim),
      sequence(mesh.sequence) {
  constexpr double kEps = 1e-5;
  const auto norm = [&](const char* name) {
    return CutLayerNorm(holding(name, w, original) / name, mesh.tensor, c.width(), c.head_dim,
                        kEps);
  };
  if (c.qk_norm) q_norm.emplace(norm("q_norm")), k_norm.emplace(norm("k_norm"));
  if (sampling)
    compression.emplace(holding("sr", w, original), *sampling, c.width(), c.head_dim, mesh);
}

at::Tensor PixArtSelfAttention::operator()(const at::Tensor& x, const ImageTokens& tokens) const {
  auto [q, k, v] = qkv(x);
  if (q_norm) q = (*q_norm)(q), k = (*k_norm)(k);
  const auto heads = [&](const at::Tensor& y) { return split_heads(y, head_dim); };
  if (!compression)
    return out(merge_heads(
        parallel_attention(heads(q), heads(k), heads(v), sequence, tokens.split, tokens.split)));
  const auto fewer = (*compression)(k, v, tokens);  // from all ranks of the sequence
  return out(merge_heads(attend(heads(q), heads(fewer.k), heads(fewer.v))));
}

CrossAttention::CrossAttention(const Weights& w, const PixArtConfig& c, const Group& tensor)
    : q(w / "to_q", tensor, heads_in(c)),
      kv({w / "to_k", w / "to_v"}, tensor, heads_in(c)),
      out(w / "to_out" / 0, tensor, heads_in(c)),
      head_dim(c.head_dim) {}

TextKeys CrossAttention::keys(const at::Tensor& text) const {
  const auto [k, v] = kv(text);
  return {split_heads(k, head_dim).contiguous(), split_heads(v, head_dim).contiguous()};
}

at::Tensor CrossAttention::operator()(const at::Tensor& x,
                                      const std::vector<TextKeys>& text) const {
  const auto queries = split_heads(q(x), head_dim);
  std::vector<at::Tensor> seen;
  for (size_t i = 0; i < text.size(); ++i)
    seen.push_back(attend(queries.narrow(0, static_cast<int64_t>(i), 1), text[i].k, text[i].v));
  return out(merge_heads(seen.size() == 1 ? seen.front() : at::cat(seen)));
}

PixArtBlock::PixArtBlock(const Weights& w, int64_t index, const PixArtConfig& c, const Mesh& mesh)
    : eps_(c.norm_eps),
      table_(scope(w, index).read("scale_shift_table", {kParts, c.width()})),
      self_(scope(w, index) / "attn1", w / "blocks" / index / "attn", c, c.compression(index),
            mesh),
      cross_(scope(w, index) / "attn2", c, mesh.tensor),
      mlp_(scope(w, index) / "ff", mesh.tensor, c.width(), c.hidden()) {
  mlp_.activation = c.activation;
}

ModulationTable PixArtBlock::modulations(const at::Tensor& shared) const {
  return ModulationTable((shared + table_).unsqueeze(1).flatten(2), kParts, {kScale, kMlpScale});
}

std::vector<TextKeys> PixArtBlock::text_keys(const std::vector<at::Tensor>& texts) const {
  std::vector<TextKeys> keys;
  for (const auto& text : texts) keys.push_back(cross_.keys(text));
  return keys;
}

at::Tensor PixArtBlock::operator()(at::Tensor x, const ImageTokens& tokens,
                                   const std::vector<TextKeys>& text, const ModulationTable& m,
                                   int64_t step) const {
  const auto attention_in = modulated(unit_norm(x, eps_), m(step, kShift), m(step, kScale));
  x = at::addcmul(x, m(step, kGate), self_(attention_in, tokens));
  x.add_(cross_(x, text));  // neither normed nor gated
  const auto mlp_in = modulated(unit_norm(x, eps_), m(step, kMlpShift), m(step, kMlpScale));
  return x.addcmul_(m(step, kMlpGate), mlp_(mlp_in));
}

}  // namespace trireme
