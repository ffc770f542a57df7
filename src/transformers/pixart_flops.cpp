#include "src/transformers/pixart_flops.h"

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
  return (rank_.pipeline.first() ? patches() : 0) + blocks_.length * block() +
         (rank_.pipeline.last() ? head() : 0);
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

int64_t PixArtFlops::block() const {
  const auto d = config_.width(), hidden = rank_.tensor.share(config_.hidden());
  return self_attention() + cross_attention() + linear_flops(image_, d, hidden) +
         linear_flops(image_, hidden, d);
}

int64_t PixArtFlops::head() const {
  return linear_flops(image_, config_.width(), config_.patch_out());
}

int64_t PixArtFlops::self_attention() const {
  const auto d = config_.width(), image = batch_.image_tokens;
  const auto heads = rank_.ulysses.share(rank_.tensor.share(config_.heads));
  return linear_flops(image_, d, 3 * channels()) + linear_flops(image_, channels(), d) +
         batch_.rows * attention_flops(rank_.queries(image), image, heads * config_.head_dim);
}

// Every rank holds all of the text: a rank's queries are its own tokens, in each row with the text
// of that row alone.
int64_t PixArtFlops::cross_attention() const {
  const auto d = config_.width(), queries = rank_.sequence().share(batch_.image_tokens);
  return linear_flops(image_, d, channels()) + linear_flops(image_, channels(), d) +
         attention_flops(queries, batch_.text_tokens, channels());
}

Split pixart_stages(const PixArtConfig& config, int stages) {
  const auto side = config.sample_size / config.patch_size;
  const PixArtFlops flops(
      config, {}, {0, config.num_layers},
      {.steps = kSteps, .image_tokens = side * side, .text_tokens = kTextTokens});
  const auto block = static_cast<double>(flops.text_keys() + kSteps * flops.block());
  std::vector<double> costs(config.num_layers, block);
  if (costs.empty()) return Split(0, stages);
  // What the first and the last stage do besides goes with the blocks that they surely hold. The
  // embedders and the shared modulations are on all stages.
  costs.front() += static_cast<double>(kSteps * flops.patches());
  costs.back() += static_cast<double>(kSteps * flops.head());
  return Split::by_cost(costs, stages);
}

}  // namespace trireme
