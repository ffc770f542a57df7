#include "src/transformers/sd3_flops.h"

#include <algorithm>

#include "parallel/flops.h"

namespace trireme {
namespace {

// Of the picture by which stages are weighed: 77 tokens of CLIP and 256 of T5; diffusers' steps.
constexpr int64_t kTextTokens = 333, kSteps = 28;

// Linear - SiLU - Linear.
int64_t embedder(int64_t rows, int64_t in, int64_t out) {
  return linear_flops(rows, in, out) + linear_flops(rows, out, out);
}

}  // namespace

Sd3Flops::Sd3Flops(const Sd3Config& config, const MeshCoordinates& rank, Part blocks, Batch batch)
    : config_(config),
      rank_(rank),
      blocks_(blocks),
      batch_(batch),
      image_(batch.rows * rank.sequence().share(batch.image_tokens)),
      text_(batch.rows * rank.sequence().share(batch.text_tokens)) {}

int64_t Sd3Flops::begin() const {
  auto flops = embedders();
  if (rank_.pipeline.first()) flops += text_projection();
  for (auto i = blocks_.begin; i < blocks_.end(); ++i) flops += modulations(i);
  if (rank_.pipeline.last()) flops += head_modulations();
  return flops;
}

int64_t Sd3Flops::step(const std::vector<int64_t>& skipped) const {
  int64_t flops = 0;
  if (rank_.pipeline.first()) flops += patches();
  for (auto i = blocks_.begin; i < blocks_.end(); ++i)
    if (std::find(skipped.begin(), skipped.end(), i) == skipped.end()) flops += block(i);
  if (rank_.pipeline.last()) flops += head();
  return flops;
}

int64_t Sd3Flops::embedders() const {
  return embedder(batch_.steps, Sd3Config::kTimeChannels, config_.width()) +
         embedder(batch_.rows, config_.pooled_projection_dim, config_.width());
}

int64_t Sd3Flops::text_projection() const {
  return linear_flops(text_, config_.joint_attention_dim, config_.width());
}

// Image and text have each their own linear layer.
int64_t Sd3Flops::modulations(int64_t block) const {
  const auto rows = batch_.steps * batch_.rows, d = config_.width();
  return linear_flops(rows, d, rank_.tensor.share(config_.image_modulations(block) * d)) +
         linear_flops(rows, d, rank_.tensor.share(config_.text_modulations(block) * d));
}

int64_t Sd3Flops::head_modulations() const {
  const auto d = config_.width();
  return linear_flops(batch_.steps * batch_.rows, d, rank_.tensor.share(2 * d));
}

// Every rank of a sequence makes the patches of all tokens and keeps its own.
int64_t Sd3Flops::patches() const {
  const auto in = config_.patch_size * config_.patch_size * config_.in_channels;
  return linear_flops(batch_.rows * batch_.image_tokens, in, config_.width());
}

// The last block's text gives keys and values and ends there.
int64_t Sd3Flops::block(int64_t index) const {
  const bool last = config_.last(index);
  const auto image = batch_.image_tokens, text = batch_.text_tokens;
  auto flops = projections(image_, /*with_output=*/true) + feed_forward(image_) +
               projections(text_, /*with_output=*/!last) + (last ? 0 : feed_forward(text_)) +
               attention(rank_.queries(image) + (last ? 0 : rank_.queries(text)), image + text);
  if (config_.dual(index))
    flops += projections(image_, /*with_output=*/true) + attention(rank_.queries(image), image);
  return flops;
}

int64_t Sd3Flops::head() const {
  return linear_flops(image_, config_.width(), config_.patch_out());
}

// Of one stream: queries, keys and values, and what the heads have seen back to the model's width.
int64_t Sd3Flops::projections(int64_t tokens, bool with_output) const {
  const auto d = config_.width(), channels = rank_.tensor.share(d, config_.head_dim);
  return linear_flops(tokens, d, 3 * channels) +
         (with_output ? linear_flops(tokens, channels, d) : 0);
}

int64_t Sd3Flops::feed_forward(int64_t tokens) const {
  const auto d = config_.width(), hidden = rank_.tensor.share(config_.hidden());
  return linear_flops(tokens, d, hidden) + linear_flops(tokens, hidden, d);
}

int64_t Sd3Flops::attention(int64_t queries, int64_t keys) const {
  const auto heads = rank_.ulysses.share(rank_.tensor.share(config_.heads));
  return batch_.rows * attention_flops(queries, keys, heads * config_.head_dim);
}

std::vector<double> sd3_block_costs(const Sd3Config& config) {
  const auto side = config.sample_size / config.patch_size;
  const Sd3Flops flops(config, {}, {0, config.num_layers},
                       {.steps = kSteps, .image_tokens = side * side, .text_tokens = kTextTokens});
  const auto cost = [](int64_t once, int64_t step) {
    return static_cast<double>(once + kSteps * step);
  };
  std::vector<double> costs;
  for (int64_t i = 0; i < config.num_layers; ++i)
    costs.push_back(cost(flops.modulations(i), flops.block(i)));
  if (costs.empty()) return costs;
  // What the first and the last stage do besides goes with the blocks that they surely hold. The
  // embedders are on all stages.
  costs.front() += cost(flops.text_projection(), flops.patches());
  costs.back() += cost(flops.head_modulations(), flops.head());
  return costs;
}

}  // namespace trireme
