#include "src/transformers/sd3_block.h"

namespace trireme {
namespace {

constexpr double kEps = 1e-6;

// Order of the parts of norm1.linear and norm1_context.linear.
constexpr int64_t kShift = 0, kScale = 1, kGate = 2, kMlpShift = 3, kMlpScale = 4, kMlpGate = 5;
// After them in a block with dual attention.
constexpr int64_t kDualShift = 6, kDualScale = 7, kDualGate = 8;
// The text modulation of the last block: a plain continuous adaLN, scale before shift.
constexpr int64_t kLastScale = 0, kLastShift = 1;

LinearShape heads_in(const Sd3Config& c) {
  return {.in = c.width(), .out = c.width(), .unit = c.head_dim};
}

FusedColumnLinear<3> qkv(const Weights& w, const char* q, const char* k, const char* v,
                         const Sd3Config& config, const Group& tensor) {
  return FusedColumnLinear<3>({w / q, w / k, w / v}, tensor, heads_in(config));
}

LinearShape modulation_shape(const Sd3Config& c, int64_t parts) {
  return {.in = c.width(), .out = parts * c.width()};
}

}  // namespace

QkNorm QkNorm::read(bool wanted, const Weights& q, const Weights& k, int64_t head_dim) {
  if (!wanted) return {};
  return {RmsNorm(q, head_dim, kEps), RmsNorm(k, head_dim, kEps)};
}

Projection::Heads Projection::operator()(const at::Tensor& x) const {
  const auto [q, k, v] = qkv(x);
  Heads heads{split_heads(q, head_dim), split_heads(k, head_dim), split_heads(v, head_dim)};
  if (norm.q) heads.q = (*norm.q)(heads.q);
  if (norm.k) heads.k = (*norm.k)(heads.k);
  return heads;
}

JointAttention::JointAttention(const Weights& w, const Sd3Config& c, const Mesh& mesh, bool last)
    : image{qkv(w, "to_q", "to_k", "to_v", c, mesh.tensor),
            QkNorm::read(c.qk_norm, w / "norm_q", w / "norm_k", c.head_dim), c.head_dim},
      text{qkv(w, "add_q_proj", "add_k_proj", "add_v_proj", c, mesh.tensor),
           QkNorm::read(c.qk_norm, w / "norm_added_q", w / "norm_added_k", c.head_dim), c.head_dim},
      image_out(w / "to_out" / 0, mesh.tensor, heads_in(c)),
      sequence(mesh.sequence) {
  if (!last) text_out.emplace(w / "to_add_out", mesh.tensor, heads_in(c));
}

Streams JointAttention::operator()(const Streams& x, const StreamSplits& tokens) const {
  const auto i = image(x.image), t = text(x.text);
  const auto image_tokens = x.image.size(1), text_tokens = x.text.size(1);
  // Queries of a text that ends here would be computed for nothing.
  const auto q = text_out ? at::cat({i.q, t.q}, 2) : i.q;
  const auto seen =
      merge_heads(parallel_attention(q, at::cat({i.k, t.k}, 2), at::cat({i.v, t.v}, 2), sequence,
                                     text_out ? tokens.both : tokens.image, tokens.both));
  if (!text_out) return {image_out(seen), {}};
  return {image_out(seen.narrow(1, 0, image_tokens)),
          (*text_out)(seen.narrow(1, image_tokens, text_tokens))};
}

SelfAttention::SelfAttention(const Weights& w, const Sd3Config& c, const Mesh& mesh)
    : image{qkv(w, "to_q", "to_k", "to_v", c, mesh.tensor),
            QkNorm::read(c.qk_norm, w / "norm_q", w / "norm_k", c.head_dim), c.head_dim},
      out(w / "to_out" / 0, mesh.tensor, heads_in(c)),
      sequence(mesh.sequence) {}

at::Tensor SelfAttention::operator()(const at::Tensor& x, const Split& tokens) const {
  const auto [q, k, v] = image(x);
  return out(merge_heads(parallel_attention(q, k, v, sequence, tokens, tokens)));
}

JointBlock::JointBlock(const Weights& w, const Sd3Config& c, const Mesh& mesh, int64_t index)
    : last_(c.last(index)),
      image_modulation_(w / "norm1" / "linear", mesh.tensor,
                        modulation_shape(c, c.image_modulations(index))),
      text_modulation_(w / "norm1_context" / "linear", mesh.tensor,
                       modulation_shape(c, c.text_modulations(index))),
      attention_(w / "attn", c, mesh, last_),
      image_mlp_(w / "ff", mesh.tensor, c.width(), c.hidden()) {
  if (c.dual(index)) dual_.emplace(w / "attn2", c, mesh);
  if (!last_) text_mlp_.emplace(w / "ff_context", mesh.tensor, c.width(), c.hidden());
}

JointModulations JointBlock::modulations(const at::Tensor& silu_temb) const {
  const auto image = image_modulation_(silu_temb), text = text_modulation_(silu_temb);
  return {dual_ ? ModulationTable(image, 9, {kScale, kMlpScale, kDualScale})
                : ModulationTable(image, 6, {kScale, kMlpScale}),
          last_ ? ModulationTable(text, 2, {kLastScale})
                : ModulationTable(text, 6, {kScale, kMlpScale})};
}

Streams JointBlock::operator()(Streams x, const StreamSplits& tokens, const JointModulations& m,
                               int64_t step) const {
  const auto image = [&](int64_t part) { return m.image(step, part); };
  const auto text = [&](int64_t part) { return m.text(step, part); };
  const auto unit = unit_norm(x.image, kEps);
  const auto seen =
      attention_({modulated(unit, image(kShift), image(kScale)),
                  modulated(unit_norm(x.text, kEps), text(last_ ? kLastShift : kShift),
                            text(last_ ? kLastScale : kScale))},
                 tokens);

  x.image = at::addcmul(x.image, image(kGate), seen.image);
  if (dual_) {
    // Its input is the state before the first attention was added.
    const auto self = (*dual_)(modulated(unit, image(kDualShift), image(kDualScale)), tokens.image);
    x.image.addcmul_(image(kDualGate), self);
  }
  const auto image_in = modulated(unit_norm(x.image, kEps), image(kMlpShift), image(kMlpScale));
  x.image.addcmul_(image(kMlpGate), image_mlp_(image_in));
  if (last_) return {x.image, {}};

  x.text = at::addcmul(x.text, text(kGate), seen.text);
  const auto text_in = modulated(unit_norm(x.text, kEps), text(kMlpShift), text(kMlpScale));
  x.text.addcmul_(text(kMlpGate), (*text_mlp_)(text_in));
  return x;
}

}  // namespace trireme
