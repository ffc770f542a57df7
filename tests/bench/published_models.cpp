#include "tests/bench/published_models.h"

#include "src/transformers/pixart_work.h"
#include "src/transformers/sd3_work.h"
#include "tests/src/transformers/real_models.h"

namespace trireme {
namespace {

constexpr int64_t kFluxWidth = 3072, kFluxHeads = 24, kFluxHeadDim = 128;
// Rotations and norms of queries and keys, in float32, come on top of what others do.
constexpr double kFluxTraffic = 2.5;
constexpr int kFluxDouble = 19, kFluxSingle = 38;

void add_stream(Layer& block, Rows rows) {
  const auto d = kFluxWidth;
  block.every.push_back(
      {.in = d, .out = d, .rows = rows, .cut = Cut::kOut, .unit = kFluxHeadDim, .parts = 3});
  block.every.push_back({.in = d, .out = d, .rows = rows, .cut = Cut::kIn, .unit = kFluxHeadDim});
  block.every.push_back({.in = d, .out = 4 * d, .rows = rows, .cut = Cut::kOut});
  block.every.push_back({.in = 4 * d, .out = d, .rows = rows, .cut = Cut::kIn});
}

// Queries, keys, values and hidden units are one product here, and one leads back.
void add_single_stream(Layer& block, Rows rows) {
  const auto d = kFluxWidth;
  block.every.push_back({.in = d, .out = 7 * d, .rows = rows, .cut = Cut::kOut});
  block.every.push_back({.in = 5 * d, .out = d, .rows = rows, .cut = Cut::kIn});
}

Layer flux_block(bool two_streams) {
  Layer block;
  const auto modulations = two_streams ? 12 : 3;
  block.once = {{.in = kFluxWidth, .out = modulations * kFluxWidth, .rows = Rows::kStepSamples}};
  for (const auto rows : {Rows::kImage, Rows::kText})
    two_streams ? add_stream(block, rows) : add_single_stream(block, rows);
  block.attention = {{.sees = Sees::kJoint, .heads = kFluxHeads, .head_dim = kFluxHeadDim}};
  return block;
}

TransformerWork flux_work() {
  TransformerWork work{.width = kFluxWidth,
                       .heads = kFluxHeads,
                       .head_dim = kFluxHeadDim,
                       .latent_channels = 16,
                       .text_travels = true};
  work.blocks.assign(kFluxDouble, flux_block(/*two_streams=*/true));
  work.blocks.insert(work.blocks.end(), kFluxSingle, flux_block(/*two_streams=*/false));
  work.block_costs.assign(work.blocks.size(), 1);  // one stage holds them all
  work.first.every = {{.in = 64, .out = kFluxWidth, .rows = Rows::kAllImage}};
  work.last.every = {{.in = kFluxWidth, .out = 64, .rows = Rows::kImage}};
  return work;
}

Workload with(TransformerWork work) {
  work.storage = Storage::kHalf;
  return {.transformer = std::move(work), .element_bytes = 2};
}

// PixArt-alpha has the blocks of PixArt-Sigma and shorter captions; SD3 has 77 and 256 tokens.
constexpr int64_t kAlphaTokens = 120, kSigmaTokens = 300, kSd3Tokens = 333, kFluxTokens = 512;

}  // namespace

std::optional<PublishedModel> published_model(const std::string& name) {
  if (name.starts_with("FLUX"))
    return PublishedModel{with(flux_work()), kFluxTokens, 1, kFluxTraffic};
  if (name.starts_with("PixArt")) {
    const bool sigma = name.find("igma") != std::string::npos;
    return PublishedModel{with(pixart_work(real_pixart())), sigma ? kSigmaTokens : kAlphaTokens};
  }
  for (const auto* known : {"SD3.5-large", "SD3.5-medium", "SD3-medium"})
    if (name.starts_with(known))
      return PublishedModel{with(sd3_work(*real_sd3(known))), kSd3Tokens};
  return std::nullopt;
}

}  // namespace trireme
