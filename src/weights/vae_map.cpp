#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "src/weights/original_maps.h"

namespace trireme {
namespace {

constexpr int64_t kGroups = 32;  // of all published VAEs; shapes do not tell

struct Shape {
  std::vector<int64_t> widths;  // by level, the image's own size first
  int64_t layers = 0, latent = 0, out = 0;
  bool attention = false;

  int64_t levels() const { return static_cast<int64_t>(widths.size()); }
};

// How a file calls the parts of one half, "encoder." or "decoder.".
struct Names {
  bool ldm;          // of latent diffusion, else of diffusers
  bool up;           // the decoder
  bool old = false;  // diffusers' older names of the attention
  std::string half;

  // Of a level as diffusers counts: latent diffusion counts the decoder's from the image up.
  std::string level(int64_t i, int64_t levels) const {
    if (ldm) return fmt::format("{}{}.{}.", half, up ? "up" : "down", up ? levels - 1 - i : i);
    return fmt::format("{}{}_blocks.{}.", half, up ? "up" : "down", i);
  }
  std::string resnet(int64_t j) const { return fmt::format("{}.{}", ldm ? "block" : "resnets", j); }
  std::string sampler() const {
    return fmt::format("{}{}.conv", up ? "upsample" : "downsample", ldm ? "" : "rs.0");
  }
  std::string middle(int64_t j) const {
    return half +
           (ldm ? fmt::format("mid.block_{}", j + 1) : fmt::format("mid_block.resnets.{}", j));
  }
  std::string attention() const { return half + (ldm ? "mid.attn_1." : "mid_block.attentions.0."); }
  // Of group_norm, to_q, to_k, to_v, to_out.0.
  std::array<const char*, 5> projections() const {
    if (ldm) return {"norm", "q", "k", "v", "proj_out"};
    if (old) return {"group_norm", "query", "key", "value", "proj_attn"};
    return {"group_norm", "to_q", "to_k", "to_v", "to_out.0"};
  }
  const char* norm_out() const { return ldm ? "norm_out" : "conv_norm_out"; }
  const char* shortcut() const { return ldm ? ".nin_shortcut" : ".conv_shortcut"; }
};

Names names_of(const KeyMap& m, bool up) {
  Names names{.ldm = m.any("decoder.up."), .up = up, .half = up ? "decoder." : "encoder."};
  names.old = m.has(names.half + "mid_block.attentions.0.query.weight");
  return names;
}

Shape shape_of(const KeyMap& m) {
  const auto names = names_of(m, true);
  Shape s{.widths = {},
          .latent = m.shape("decoder.conv_in.weight", 4)[1],
          .out = m.shape("decoder.conv_out.weight", 4)[0],
          .attention = m.any(names.attention())};
  const auto levels = m.count(names.ldm ? "decoder.up." : "decoder.up_blocks.");
  if (levels == 0) m.refuse("no levels (decoder.up.0)", "some", "a decoder of another kind");
  for (int64_t i = levels - 1; i >= 0; --i) {
    const auto first = names.level(i, levels) + names.resnet(0) + ".conv1.weight";
    s.widths.push_back(m.shape(first, 4)[0]);
    if (s.widths.back() % kGroups != 0)
      m.refuse(fmt::format("{} channels at level {}", s.widths.back(), levels - 1 - i),
               "multiples of 32, its norms' groups", "a VAE of another kind");
  }
  s.layers = m.count(names.level(0, levels) + (names.ldm ? "block." : "resnets.")) - 1;
  if (s.latent != 4 && s.latent != 16)
    m.refuse(fmt::format("latents of {} channels", s.latent), "16 (SD3) or 4 (PixArt-Sigma, SDXL)",
             "a VAE of another family");
  return s;
}

void map_resnet(KeyMap& m, const Names& names, const std::string& old, const std::string& name,
                int64_t in, int64_t out) {
  m.layer(old + ".norm1", name + ".norm1", {in});
  m.layer(old + ".conv1", name + ".conv1", {out, in, 3, 3});
  m.layer(old + ".norm2", name + ".norm2", {out});
  m.layer(old + ".conv2", name + ".conv2", {out, out, 3, 3});
  if (in != out) m.layer(old + names.shortcut(), name + ".conv_shortcut", {out, in, 1, 1});
}

void map_middle(KeyMap& m, const Names& names, int64_t width, bool attention) {
  const Names theirs{.ldm = false, .up = names.up, .half = names.half};
  for (const int64_t j : {0, 1})
    map_resnet(m, names, names.middle(j), theirs.middle(j), width, width);
  if (!attention) return;
  const auto from = names.projections(), to = theirs.projections();
  m.layer(names.attention() + from[0], theirs.attention() + to[0], {width});
  for (size_t i = 1; i < from.size(); ++i)
    m.pointwise_layer(names.attention() + from[i], theirs.attention() + to[i], {width, width});
}

void map_half(KeyMap& m, const Shape& s, const Names& names) {
  const Names theirs{.ldm = false, .up = names.up, .half = names.half};
  const auto& h = names.half;
  const auto first = s.widths.front(), deepest = s.widths.back();
  auto in = names.up ? deepest : first;
  m.layer(h + "conv_in", h + "conv_in", {in, names.up ? s.latent : s.out, 3, 3});
  for (int64_t i = 0; i < s.levels(); ++i) {
    const auto old = names.level(i, s.levels()), name = theirs.level(i, s.levels());
    const auto out = s.widths[names.up ? s.levels() - 1 - i : i];
    for (int64_t j = 0; j < s.layers + names.up; ++j)
      map_resnet(m, names, old + names.resnet(j), name + theirs.resnet(j), j == 0 ? in : out, out);
    if (i < s.levels() - 1)
      m.layer(old + names.sampler(), name + theirs.sampler(), {out, out, 3, 3});
    in = out;
  }
  map_middle(m, names, deepest, s.attention);
  m.layer(h + names.norm_out(), h + theirs.norm_out(), {names.up ? first : deepest});
  m.layer(h + "conv_out", h + "conv_out",
          {names.up ? s.out : 2 * s.latent, names.up ? first : deepest, 3, 3});
}

// The affine map of the latents stands in no file. FLUX's VAE has the shapes of SD3's and another
// map: nothing tells them apart.
nlohmann::json config_of(const Shape& s, bool quant, bool post_quant) {
  nlohmann::json config = {
      {"_class_name", "AutoencoderKL"}, {"block_out_channels", s.widths},
      {"layers_per_block", s.layers},   {"latent_channels", s.latent},
      {"in_channels", s.out},           {"out_channels", s.out},
      {"norm_num_groups", kGroups},     {"mid_block_add_attention", s.attention},
      {"use_quant_conv", quant},        {"use_post_quant_conv", post_quant}};
  if (s.latent == 16) {
    config.update({{"sample_size", 1024}, {"scaling_factor", 1.5305}, {"shift_factor", 0.0609}});
  } else {
    config.update({{"sample_size", 512}, {"scaling_factor", 0.13025}});
  }
  return config;
}

}  // namespace

MappedPart map_vae(KeyMap m) {
  const auto s = shape_of(m);
  m.call(fmt::format("a VAE of {} levels, {} to {} channels, {} in its latents", s.levels(),
                     s.widths.front(), s.widths.back(), s.latent));
  const bool quant = m.any("quant_conv."), post_quant = m.any("post_quant_conv.");
  if (m.any("encoder.")) map_half(m, s, names_of(m, false));
  map_half(m, s, names_of(m, true));
  if (quant) m.layer("quant_conv", "quant_conv", {2 * s.latent, 2 * s.latent, 1, 1});
  if (post_quant) m.layer("post_quant_conv", "post_quant_conv", {s.latent, s.latent, 1, 1});
  m.ignore({"loss.*"});  // what the first VAEs were trained with
  ComponentConfig config(config_of(s, quant, post_quant), m.place());
  return {std::move(config), std::move(m).finish()};
}

}  // namespace trireme
