#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "src/weights/original_maps.h"

namespace trireme {
namespace {

constexpr int64_t kTimeChannels = 256;
constexpr int64_t kHeadDim = 64;      // of all published models; files without qk norms do not tell
constexpr int64_t kSampleSize = 128;  // of all published models

struct Shape {
  int64_t width = 0, in = 0, out = 0, patch = 0;
  int64_t layers = 0, head_dim = 0, side = 0;  // side of the position table
  int64_t text = 0, pooled = 0;
  bool qk_norm = false;
  std::vector<int64_t> dual;

  bool is_dual(int64_t block) const {
    return std::find(dual.begin(), dual.end(), block) != dual.end();
  }
};

struct Published {
  const char* name;
  int64_t layers, width;
  bool qk_norm;
};
constexpr std::array<Published, 3> kPublished = {{{"SD3-medium", 24, 1536, false},
                                                  {"SD3.5-medium", 24, 1536, true},
                                                  {"SD3.5-large", 38, 2432, true}}};

std::string kind_of(const Shape& s) {
  const auto apart = [&](const Published& p) {
    return std::abs(p.width - s.width) + std::abs(p.layers - s.layers) + (p.qk_norm != s.qk_norm);
  };
  const auto nearest =
      *std::min_element(kPublished.begin(), kPublished.end(),
                        [&](const auto& a, const auto& b) { return apart(a) < apart(b); });
  return fmt::format(
      "an SD3 transformer of {} blocks, {} wide (the nearest published is {}: {}, {})", s.layers,
      s.width, nearest.name, nearest.layers, nearest.width);
}

std::string block_name(int64_t i) {
  return fmt::format("joint_blocks.{}.", i);
}

int64_t head_dim_of(const KeyMap& m, const Shape& s) {
  const int64_t head_dim =
      s.qk_norm ? m.shape("joint_blocks.0.x_block.attn.ln_q.weight", 1)[0] : kHeadDim;
  if (head_dim > 0 && s.width > 0 && s.width % head_dim == 0) return head_dim;
  m.refuse(fmt::format("{} wide", s.width),
           fmt::format("a multiple of {}, a head's width", head_dim), "a model of another kind");
}

Shape shape_of(const KeyMap& m) {
  const auto patches = m.shape("x_embedder.proj.weight", 4);
  const auto positions = m.shape("pos_embed", 3)[1];
  Shape s{.width = patches[0],
          .in = patches[1],
          .patch = patches[2],
          .layers = m.count("joint_blocks."),
          .side = std::llround(std::sqrt(static_cast<double>(positions))),
          .text = m.shape("context_embedder.weight", 2)[1],
          .pooled = m.shape("y_embedder.mlp.0.weight", 2)[1],
          .qk_norm = m.has("joint_blocks.0.x_block.attn.ln_q.weight"),
          .dual = {}};
  if (s.side * s.side != positions)
    m.refuse(fmt::format("pos_embed of {} places", positions), "a square of places",
             "a damaged file");
  const int64_t pixels = std::max<int64_t>(s.patch * s.patch, 1);
  s.out = m.shape("final_layer.linear.weight", 2)[0] / pixels;
  if (s.layers == 0) m.refuse("no blocks (joint_blocks.0)", "some", "a damaged file");
  s.head_dim = head_dim_of(m, s);
  for (int64_t i = 0; i < s.layers; ++i)
    if (m.has(block_name(i) + "x_block.attn2.qkv.weight")) s.dual.push_back(i);
  return s;
}

// A file that lost its end has a last block that is none.
void require_last_block(const KeyMap& m, const Shape& s) {
  const auto name = block_name(s.layers - 1) + "context_block.adaLN_modulation.1.weight";
  const auto rows = m.shape(name, 2)[0];
  if (rows == 2 * s.width || rows % s.width != 0) return;
  m.refuse(fmt::format("joint_blocks.{} is the last one and modulates its text {} times",
                       s.layers - 1, rows / s.width),
           "a last block, which does it twice", "the blocks behind it are missing");
}

void map_qk_norm(KeyMap& m, const Shape& s, const std::string& old, const std::string& q,
                 const std::string& k) {
  if (!s.qk_norm) return;
  m.tensor(old + "ln_q.weight", q + ".weight", {s.head_dim});
  m.tensor(old + "ln_k.weight", k + ".weight", {s.head_dim});
}

void map_image(KeyMap& m, const Shape& s, const std::string& old, const std::string& name,
               bool dual) {
  const auto d = s.width;
  m.layer(old + "adaLN_modulation.1", name + "norm1.linear", {(dual ? 9 : 6) * d, d});
  for (const std::string attn : dual ? std::vector{"attn", "attn2"} : std::vector{"attn"}) {
    const auto from = old + attn + ".", to = name + attn + ".";
    m.split_layer(from + "qkv", {to + "to_q", to + "to_k", to + "to_v"}, {3 * d, d});
    map_qk_norm(m, s, from, to + "norm_q", to + "norm_k");
    m.layer(from + "proj", to + "to_out.0", {d, d});
  }
  m.layer(old + "mlp.fc1", name + "ff.net.0.proj", {4 * d, d});
  m.layer(old + "mlp.fc2", name + "ff.net.2", {d, 4 * d});
}

// The last block's text ends at the attention. Its modulation is in the order of diffusers' other
// way to write it: scale before shift.
void map_text(KeyMap& m, const Shape& s, const std::string& old, const std::string& name,
              bool last) {
  const auto d = s.width;
  const auto from = old + "attn.", to = name + "attn.";
  m.split_layer(from + "qkv", {to + "add_q_proj", to + "add_k_proj", to + "add_v_proj"},
                {3 * d, d});
  map_qk_norm(m, s, from, to + "norm_added_q", to + "norm_added_k");
  if (last)
    return m.swap_halves_layer(old + "adaLN_modulation.1", name + "norm1_context.linear",
                               {2 * d, d});
  m.layer(old + "adaLN_modulation.1", name + "norm1_context.linear", {6 * d, d});
  m.layer(from + "proj", to + "to_add_out", {d, d});
  m.layer(old + "mlp.fc1", name + "ff_context.net.0.proj", {4 * d, d});
  m.layer(old + "mlp.fc2", name + "ff_context.net.2", {d, 4 * d});
}

void map_tensors(KeyMap& m, const Shape& s) {
  const auto d = s.width;
  const std::string time = "time_text_embed.timestep_embedder.",
                    text = "time_text_embed.text_embedder.";
  m.tensor("pos_embed", "pos_embed.pos_embed", {1, s.side * s.side, d});
  m.layer("x_embedder.proj", "pos_embed.proj", {d, s.in, s.patch, s.patch});
  m.layer("t_embedder.mlp.0", time + "linear_1", {d, kTimeChannels});
  m.layer("t_embedder.mlp.2", time + "linear_2", {d, d});
  m.layer("y_embedder.mlp.0", text + "linear_1", {d, s.pooled});
  m.layer("y_embedder.mlp.2", text + "linear_2", {d, d});
  m.layer("context_embedder", "context_embedder", {d, s.text});
  for (int64_t i = 0; i < s.layers; ++i) {
    const auto old = block_name(i), name = fmt::format("transformer_blocks.{}.", i);
    map_image(m, s, old + "x_block.", name, s.is_dual(i));
    map_text(m, s, old + "context_block.", name, i == s.layers - 1);
  }
  m.layer("final_layer.linear", "proj_out", {s.patch * s.patch * s.out, d});
  m.swap_halves_layer("final_layer.adaLN_modulation.1", "norm_out.linear", {2 * d, d});
}

nlohmann::json config_of(const Shape& s) {
  nlohmann::json config = {{"_class_name", "SD3Transformer2DModel"},
                           {"sample_size", std::min(kSampleSize, s.side * s.patch)},
                           {"patch_size", s.patch},
                           {"in_channels", s.in},
                           {"out_channels", s.out},
                           {"num_layers", s.layers},
                           {"attention_head_dim", s.head_dim},
                           {"num_attention_heads", s.width / s.head_dim},
                           {"caption_projection_dim", s.width},
                           {"joint_attention_dim", s.text},
                           {"pooled_projection_dim", s.pooled},
                           {"pos_embed_max_size", s.side},
                           {"dual_attention_layers", s.dual}};
  if (s.qk_norm) config["qk_norm"] = "rms_norm";
  return config;
}

}  // namespace

MappedPart map_sd3_transformer(KeyMap m) {
  const auto s = shape_of(m);
  m.call(kind_of(s));
  require_last_block(m, s);
  map_tensors(m, s);
  ComponentConfig config(config_of(s), m.place());
  return {std::move(config), std::move(m).finish()};
}

}  // namespace trireme
