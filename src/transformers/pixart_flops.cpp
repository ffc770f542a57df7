#include "src/transformers/pixart_flops.h"

#include "parallel/error.h"
#include "parallel/flops.h"

namespace trireme {
namespace {

// Of the picture by which stages are weighed: diffusers' tokens and steps.
constexpr int64_t kTextTokens = 300, kSteps = 20;

}  // namespace

PixArtFlops::PixArtFlops(const PixArtConfig& config, const MeshCoordinates& rank, Part blocks,
                         Batch batch)
    : config_(config),
      rank_(rank),
      blocks_(blocks),
      batch_(batch),
      image_(batch.rows * rank.sequence().share(batch.image_tokens)) {}

int64_t PixArtFlops::begin() const {
  return embedders() + modulations() + blocks_.length * text_keys();
}

int64_t PixArtFlops::step() const {
  int64_t flops = 0;
  if (rank_.pipeline.first()) flops += patches();
  for (auto i = blocks_.begin; i < blocks_.end(); ++i) flops += block(i);
  if (rank_.pipeline.last()) flops += head();
  return flops;
}

int64_t PixArtFlops::embedders() const {
  const auto steps = batch_.steps, text = batch_.text_tokens, d = config_.width();
  return linear_flops(steps, PixArtConfig::kTimeChannels, d) + linear_flops(steps, d, d) +
         linear_flops(text, config_.caption_channels, d) + linear_flops(text, d, d);
}

int64_t PixArtFlops::modulations() const {
  const auto d = config_.width();
  return linear_flops(batch_.steps, d, rank_.tensor.share(PixArtConfig::kModulations * d));
}

int64_t PixArtFlops::text_keys() const {
  return linear_flops(batch_.text_tokens, config_.width(), 2 * channels());
}

// Every rank of a sequence makes the patches of all tokens and keeps its own.
int64_t PixArtFlops::patches() const {
  const auto in = config_.patch_size * config_.patch_size * config_.in_channels;
  return linear_flops(batch_.rows * batch_.image_tokens, in, config_.width());
}

int64_t PixArtFlops::block(int64_t index) const {
  const auto d = config_.width(), hidden = rank_.tensor.share(config_.hidden());
  return self_attention(index) + cross_attention() + linear_flops(image_, d, hidden) +
         linear_flops(image_, hidden, d);
}

int64_t PixArtFlops::head() const {
  return linear_flops(image_, config_.width(), config_.patch_out());
}

int64_t PixArtFlops::self_attention(int64_t block) const {
  const auto d = config_.width(), image = batch_.image_tokens;
  const auto projections =
      linear_flops(image_, d, 3 * channels()) + linear_flops(image_, channels(), d);
  if (const auto sampling = config_.compression(block))
    return projections + batch_.rows * compressed_attention(*sampling);
  const auto heads = rank_.ulysses.share(rank_.tensor.share(config_.heads));
  return projections +
         batch_.rows * attention_flops(rank_.queries(image), image, heads * config_.head_dim);
}

// Of one row: a rank convolves the keys and values of the squares that its tokens touch, and asks
// for its own tokens all that are left.
int64_t PixArtFlops::compressed_attention(const KvSampling& sampling) const {
  const auto columns = batch_.image_columns;
  if (columns <= 0)
    throw Error(Exit::kBug,
                "[flops] no columns -> compressed keys and values lie on a grid -> "
                "the caller gave the number of tokens alone");
  const auto rows = batch_.image_tokens / columns;
  const auto sequence = rank_.sequence();
  const auto run = Split(batch_.image_tokens, sequence.ranks)[sequence.rank];
  const auto squares = sampling.kind == KvSampling::Kind::kConv
                           ? 2 * sampling.touched(run, rows, columns).length
                           : 0;
  // Depthwise: a channel of the output sees one of the input.
  return conv_flops(squares, 1, channels(), sampling.factor) +
         attention_flops(run.length, sampling.left(rows, columns), channels());
}

// Every rank holds all of the text: a rank's queries are its own tokens, in each row with the text
// of that row alone.
int64_t PixArtFlops::cross_attention() const {
  const auto d = config_.width(), queries = rank_.sequence().share(batch_.image_tokens);
  return linear_flops(image_, d, channels()) + linear_flops(image_, channels(), d) +
         attention_flops(queries, batch_.text_tokens, channels());
}

std::vector<double> pixart_block_costs(const PixArtConfig& config) {
  const auto side = config.sample_size / config.patch_size;
  const PixArtFlops flops(config, {}, {0, config.num_layers},
                          {.steps = kSteps,
                           .image_tokens = side * side,
                           .image_columns = side,
                           .text_tokens = kTextTokens});
  std::vector<double> costs;
  for (int64_t i = 0; i < config.num_layers; ++i)
    costs.push_back(static_cast<double>(flops.text_keys() + kSteps * flops.block(i)));
  if (costs.empty()) return costs;
  // What the first and the last stage do besides goes with the blocks that they surely hold. The
  // embedders and the shared modulations are on all stages.
  costs.front() += static_cast<double>(kSteps * flops.patches());
  costs.back() += static_cast<double>(kSteps * flops.head());
  return costs;
}

}  // namespace trireme
