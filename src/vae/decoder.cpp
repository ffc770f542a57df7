#include "src/vae/decoder.h"

#include "src/vae/tile_grid.h"
#include "src/vae/tiles.h"
#include "src/vae/vae_flops.h"

namespace trireme {
namespace {

// Of decoder.mid_block: its two resnets and, between them, the attention.
Weights mid_block(const Weights& w) {
  return w / "decoder" / "mid_block";
}

}  // namespace

UpBlock::UpBlock(const Weights& w, const VaeConfig& c, int64_t in, int64_t out, bool doubles) {
  for (int64_t i = 0; i <= c.layers_per_block; ++i)
    resnets_.emplace_back(w / "resnets" / i, c, i == 0 ? in : out, out);
  if (doubles) upsample_.emplace(w / "upsamplers" / 0 / "conv", out, out);
}

at::Tensor UpBlock::operator()(at::Tensor x, const Bands& bands) const {
  for (const auto& resnet : resnets_) x = resnet(x, bands);
  return upsample_ ? (*upsample_)(x, bands) : x;
}

VaeDecoder::VaeDecoder(const VaeConfig& c, const Weights& w, Group patch, bool tiling)
    : config_(c),
      patch_(std::move(patch)),
      tiling_(tiling),
      conv_in_(w / "decoder" / "conv_in",
               {.in = c.latent_channels, .out = c.block_out_channels.back()}),
      mid1_(mid_block(w) / "resnets" / 0, c, c.block_out_channels.back(),
            c.block_out_channels.back()),
      mid2_(mid_block(w) / "resnets" / 1, c, c.block_out_channels.back(),
            c.block_out_channels.back()),
      norm_out_(w / "decoder" / "conv_norm_out", c.block_out_channels.front(), c.norm_groups,
                kVaeNormEps),
      conv_out_(w / "decoder" / "conv_out",
                {.in = c.block_out_channels.front(), .out = c.out_channels}) {
  if (c.post_quant_conv)
    post_quant_.emplace(w / "post_quant_conv",
                        ConvShape{c.latent_channels, c.latent_channels, /*kernel=*/1});
  if (c.mid_attention)
    attention_.emplace(mid_block(w) / "attentions" / 0, c, c.block_out_channels.back());

  auto in = c.block_out_channels.back();
  for (int64_t level = c.levels() - 1; level >= 0; --level) {
    const auto out = c.block_out_channels[level];
    ups_.emplace_back(w / "decoder" / "up_blocks" / (c.levels() - 1 - level), c, in, out,
                      /*doubles=*/level > 0);
    in = out;
  }
  for (const auto* unread : {"encoder", "quant_conv"}) (w / unread).elsewhere();
}

at::Tensor VaeDecoder::operator()(const at::Tensor& latents) const {
  return decode_rows(Bands(patch_, latents.size(2)).mine(latents), latents.size(2));
}

at::Tensor VaeDecoder::decode_rows(const at::Tensor& latents, int64_t latent_rows) const {
  std::vector<at::Tensor> images;
  const Bands bands(patch_, latent_rows);
  const auto decode_tile = [&](const at::Tensor& tile) { return decode(tile, Bands()); };
  for (const auto& z : unscaled(latents).split(1)) {
    const bool in_tiles = tiling_ && needs_tiles(z.size(2), z.size(3), config_);
    images.push_back(in_tiles ? decode_in_tiles(z, config_, decode_tile) : decode(z, bands));
  }
  return images.size() == 1 ? images.front() : at::cat(images);
}

int64_t VaeDecoder::flops(int64_t height, int64_t width) const {
  return vae_flops(config_, height, width, {patch_.rank(), patch_.size()}, tiling_);
}

// Denoised latents have unit variance; the VAE's own do not.
at::Tensor VaeDecoder::unscaled(const at::Tensor& latents) const {
  return latents.to(at::kFloat).div(config_.scaling).add_(config_.shift).to(conv_in_.dtype());
}

at::Tensor VaeDecoder::decode(const at::Tensor& z, const Bands& bands) const {
  auto x = mid1_(conv_in_(post_quant_ ? (*post_quant_)(z, bands) : z, bands), bands);
  if (attention_) x = (*attention_)(x, bands);
  x = mid2_(x, bands);
  for (const auto& up : ups_) x = up(std::move(x), bands);
  x = norm_out_(x, bands);
  return conv_out_(at::silu_(x), bands);
}

}  // namespace trireme
