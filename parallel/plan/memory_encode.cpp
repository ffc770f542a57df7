// What encoding a text takes, and what is kept of texts.
#include <algorithm>

#include "parallel/plan/memory_parts.h"

namespace trireme {
namespace {

constexpr int64_t kFloat = 4;

// Hidden states of a layer, and what its feed-forward network or its attention takes beside them.
int64_t layer_peak(const EncoderWork& e, const Hands& h) {
  const auto& products = e.layer.every;
  const auto state = e.tokens * e.width * (e.gated ? kFloat : h.element);
  const auto normed = e.tokens * e.width * h.element;
  const auto& attention = e.layer.attention.front();
  const auto heads = h.tensor.share(attention.heads);
  const auto qkv = needs_of(products[0], e.tokens, h);
  const auto seen = needs_of(Heads{.heads = heads,
                                   .queries = e.tokens,
                                   .keys = e.tokens,
                                   .head_dim = attention.head_dim,
                                   .biased = true},
                             h.element, h.on_cpu);
  const auto out = needs_of(products[1], e.tokens, h);
  const auto up = needs_of(products[2], e.tokens, h);
  const auto down = needs_of(products[3], e.tokens, h);
  const auto attending =
      normed + std::max(qkv.peak, qkv.result + std::max(seen.peak, seen.result + out.peak));
  const auto hidden = up.result / products[2].parts;
  const auto opened = up.result + (e.gated ? 2 : 1) * hidden;
  const auto feeding = state + normed + std::max(up.peak, opened + down.peak);
  return state + std::max(attending, feeding);
}

int64_t encoder_peak(const EncoderWork& e, const Hands& h) {
  const auto state = e.tokens * e.width * h.element;
  if (!e.gated) return (e.layers + 1) * state + layer_peak(e, h);  // all states are kept
  const auto heads = h.tensor.share(e.layer.attention.front().heads);
  const auto bias = heads * e.tokens * e.tokens * h.element;
  return 2 * bias + layer_peak(e, h);
}

int64_t divided_up(int64_t n, int64_t by) {
  return (n + by - 1) / by;
}

int64_t texts_of(const Post& post) {
  const auto pictures = static_cast<double>(post.work.pictures()) / post.layout.replicas;
  return std::max<int64_t>(
      post.shape().branches,
      static_cast<int64_t>(post.work.texts_per_picture * std::max(pictures, 1.0) + 0.5));
}

}  // namespace

int64_t latent_bytes(const Post& post, int64_t samples) {
  const auto& shape = post.shape();
  const auto channels = post.work.transformer ? post.work.transformer->latent_channels
                                              : post.work.vae->latent_channels;
  return samples * channels * shape.latent_height * shape.latent_width * kFloat;
}

int64_t bytes_of_text(const Workload& work) {
  return work.embedding_bytes / std::max<int64_t>(1, work.shapes.front().branches);
}

// Prompts that may come again (src/pipelines/recent_embeddings.h).
int64_t recent_texts(const Post& post) {
  constexpr int64_t kKeptBytes = 64 << 20;
  if (post.work.encoders.empty() || !place_among(post.layout.text_encoders, post.rank)) return 0;
  const auto one = bytes_of_text(post.work);
  return std::min(texts_of(post) * one, std::max(kKeptBytes, one));
}

// Samples that go through the stages of a staged job together (src/render/staged.cpp).
int64_t window(const Post& post) {
  constexpr int64_t kWindowBytes = 128 << 20;
  const auto one = post.work.embedding_bytes + latent_bytes(post, 1);
  const auto samples = post.layout.window ? *post.layout.window : divided_up(kWindowBytes, one);
  const auto mine = (post.work.pictures() + post.layout.replicas - 1) / post.layout.replicas;
  return std::min(mine, divided_up(samples, post.layout.batch_size) * post.layout.batch_size);
}

// Of single samples it is the recent texts themselves that wait; several are copied together.
int64_t waiting_texts(const Post& post) {
  const auto recent = recent_texts(post);
  if (post.layout.offload != Offload::kStaged || !post.work.transformer) return recent;
  const auto all = window(post) * post.work.embedding_bytes;
  if (post.layout.batch_size > 1 || recent == 0) return recent + all;
  const auto texts = std::min(window(post) + 1, texts_of(post));
  return std::max(recent, texts * bytes_of_text(post.work));
}

int64_t waiting_latents(const Post& post) {
  if (post.layout.offload != Offload::kStaged || !post.work.transformer) return 0;
  return latent_bytes(post, window(post));
}

StageMemory encode_memory(const Post& post) {
  const auto place = place_among(post.layout.text_encoders, post.rank);
  if (!place || post.work.encoders.empty()) return {};
  StageMemory memory;
  int64_t before = 0;
  for (const auto& encoder : post.work.encoders) {
    const Hands hands{.storage = encoder.storage,
                      .element = post.element(),
                      .tensor = *place,
                      .on_cpu = post.on_cpu,
                      .rounds_rows = encoder.gated};
    memory.weights += encoder_weights(encoder, hands);
    // CLIP's results are side by side and as wide as T5's by the time T5 begins.
    if (encoder.gated && before > 0)
      before = 2 * before + post.work.encoders.front().tokens * encoder.width * post.element();
    memory.activations = std::max(memory.activations, before + encoder_peak(encoder, hands));
    before += encoder.tokens * encoder.width * post.element();
  }
  const auto one = bytes_of_text(post.work);
  memory.activations =
      std::max(memory.activations, before + one) + waiting_texts(post) - one + other_batches(post);
  return memory;
}

}  // namespace trireme
