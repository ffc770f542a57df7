// The decoder's part of effort.h: one picture, in bands of rows over the ranks of a patch or in
// tiles on every rank.
#include <algorithm>

#include "parallel/flops.h"
#include "parallel/layers/band_rows.h"
#include "parallel/plan/effort.h"

namespace trireme {
namespace {

// Times that what goes into a convolution is read or written by the norm, the activation and the
// sum before it.
constexpr double kTraffic = 6;
constexpr double kLaunches = 3;  // of a convolution with what stands before it
constexpr double kNormGroups = 32, kMoments = 2;

struct Picture {
  BandRows rows;
  int64_t width;
  const Talk& talk;
  const Rates& rates;
  int64_t element_bytes;

  double bytes(int64_t elements) const { return static_cast<double>(elements * element_bytes); }
};

// The ranks of a patch give each other a row of what goes in, while they work on their own.
void add_convolution(Effort& effort, const Convolution& c, const Picture& p) {
  const bool looks_around = c.kernel > 1;
  const auto worked = looks_around ? p.rows.worked(c.factor) : p.rows.held(c.factor);
  const auto width = p.width * c.factor;
  const auto flops = conv_flops((c.doubles ? 4 : 1) * worked * width, c.in, c.out, c.kernel);
  const double computing =
      static_cast<double>(flops) / (looks_around ? p.rates.convolution : p.rates.matmul);
  effort.flops += flops;
  effort.convolutions += computing;
  effort.element_wise += kTraffic * p.bytes(p.rows.held(c.factor) * width * c.in) / p.rates.copy;
  const bool exchanges = looks_around && !p.talk.alone();
  effort.launches += (exchanges ? 2 : 1) * kLaunches * p.rates.launch;
  if (!exchanges) return;
  const double edges = 2 * p.bytes(width * c.in);
  effort.exchange += side_by_side(computing, p.talk.pass_on(edges), p.talk.hidden()) - computing;
  effort.sent.send += edges;
}

// One head over all pixels of the latents; keys and values go round in a ring.
void add_attention(Effort& effort, int64_t channels, const Picture& p) {
  const auto held = p.rows.held(1) * p.width, all = p.rows.all(1) * p.width;
  const auto products = linear_flops(held, channels, 4 * channels);
  const auto attention = attention_flops(held, all, channels);
  const double computing =
      static_cast<double>(attention) / attention_rate(p.rates, channels, all / p.talk.ranks());
  effort.flops += products + attention;
  effort.products += static_cast<double>(products) / p.rates.matmul;
  effort.attention += computing;
  if (p.talk.alone()) return;
  const double steps = p.talk.ranks() - 1, part = computing / p.talk.ranks();
  const double bytes = p.bytes(2 * all * channels) / p.talk.ranks();
  const double passing = p.talk.pass_on(bytes);
  effort.passing += steps * passing;
  effort.unhidden += steps * (side_by_side(part, passing, p.talk.hidden()) - part);
  effort.sent.send += steps * bytes;
}

Effort effort_of_image(const VaeWork& vae, int64_t height, int64_t width, const Coordinate& patch,
                       const Talk& talk, const Rates& rates, int64_t element_bytes) {
  const Picture picture{BandRows(height, patch), width, talk, rates, element_bytes};
  Effort effort;
  for (const auto& convolution : vae.convolutions) add_convolution(effort, convolution, picture);
  if (vae.attention_channels > 0) add_attention(effort, vae.attention_channels, picture);
  if (!talk.alone()) {
    const double moments = (talk.ranks() - 1) * kMoments * kNormGroups * kFloatBytes;
    const auto norms = static_cast<double>(vae.norms);
    effort.exchange += norms * talk.reduce_or_gather(moments);
    effort.sent.all_gather += norms * moments;
  }
  return effort;
}

// Tiles along a side (src/vae/tile_grid.h): a quarter of each lies over the one before.
std::vector<int64_t> tiles_along(int64_t latents, int64_t side) {
  std::vector<int64_t> tiles;
  const auto stride = std::max<int64_t>(side * 3 / 4, 1);
  for (int64_t from = 0; from < latents; from += stride)
    tiles.push_back(std::min(side, latents - from));
  return tiles;
}

}  // namespace

Effort effort_of_decoder(const VaeWork& vae, const Shape& shape, const Coordinate& patch,
                         const Talk& talk, const Rates& rates, int64_t element_bytes) {
  const auto height = shape.latent_height, width = shape.latent_width;
  Effort effort;
  if (vae.tiles && std::max(height, width) > vae.tile_side) {
    for (const auto rows : tiles_along(height, vae.tile_side))
      for (const auto columns : tiles_along(width, vae.tile_side))
        effort += effort_of_image(vae, rows, columns, {}, {}, rates, element_bytes);
  } else {
    effort = effort_of_image(vae, height, width, patch, talk, rates, element_bytes);
  }
  finish(effort, rates);
  return effort;
}

}  // namespace trireme
