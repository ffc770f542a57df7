// What denoising takes: batches on their way, and the one that a rank works on. The points of a
// block at which most lives are named; what lives there follows src/transformers.
#include <algorithm>
#include <cstdlib>

#include "parallel/plan/memory_parts.h"

namespace trireme {
namespace {

constexpr int64_t kFloat = 4, kInteger = 8;
// Latents of a batch: as they are, and what a scheduler keeps of earlier steps.
constexpr int64_t kLatents = 3;

class Denoise {
 public:
  explicit Denoise(const Post& post)
      : post_(post),
        work_(*post.work.transformer),
        shape_(post.shape()),
        at_(coordinates_of(post.layout, post.rank)),
        held_(stages_of(post.layout.mesh, work_.block_costs)[at_.pipeline.rank]),
        hands_{work_.storage, post.element(), at_.tensor, post.on_cpu},
        rows_(post.samples() * shape_.branches / branch_ranks()),
        image_(rows_ * at_.sequence().share(shape_.image_tokens)),
        text_(rows_ *
              (work_.text_travels ? at_.sequence().share(shape_.text_tokens) : shape_.text_tokens)),
        channels_(at_.tensor.share(work_.width, work_.head_dim)) {}

  StageMemory memory() const {
    const auto alive = batches_alive();
    const auto working = std::max({beginning(), evaluating(), stepping()});
    const auto travelling = std::max(sent(alive), received());
    return {
        .weights = transformer_weights(post_),
        .activations = alive * batch() + working + waiting() + std::min(sent(alive), received()),
        .buffers = travelling};
  }
  // What batches under way keep while something else is done.
  int64_t others() const {
    return (batches_alive() - 1) * batch() + sent(batches_alive() - 1) + received();
  }

 private:
  int branch_ranks() const { return shape_.branches == 2 ? post_.layout.mesh.guidance : 1; }
  int64_t of_width(int64_t rows) const { return rows * work_.width * post_.element(); }
  int64_t of_heads(int64_t rows) const { return rows * channels_ * post_.element(); }
  int64_t all_image() const { return rows_ * shape_.image_tokens; }
  bool first() const { return at_.pipeline.first(); }
  bool last() const { return at_.pipeline.last(); }
  int64_t latents() const { return latent_bytes(post_, post_.samples()); }

  // --- what a batch keeps from its beginning to its end

  // Shifts, scales and gates of all steps, of one layer.
  int64_t modulations(const Layer& layer) const {
    int64_t elements = 0;
    for (const auto& p : layer.once)
      if (p.rows == Rows::kStepSamples) elements += shape_.steps * rows_ * p.out;
    return elements * post_.element();
  }
  // ... where one product makes them for the whole model.
  int64_t shared_modulations() const {
    for (const auto& p : work_.every_stage.once)
      if (p.rows == Rows::kSteps && p.gathers) return shape_.steps * p.out * post_.element();
    return 0;
  }
  int64_t text_keys(const Layer& block) const {
    int64_t elements = 0;
    for (const auto& p : block.once)
      if (p.rows == Rows::kAllText) elements += text_ * p.parts * channels_;
    return elements * post_.element();
  }
  int64_t head_modulations() const {
    if (!last()) return 0;
    return work_.text_travels ? modulations(work_.last)
                              : shape_.steps * 2 * work_.width * post_.element();
  }
  // Of all image tokens, of which this rank uses its own.
  int64_t positions() const {
    if (!first()) return 0;
    return shape_.image_tokens * work_.width * (work_.text_travels ? post_.element() : kFloat);
  }
  int64_t batch() const {
    int64_t bytes = positions() + head_modulations();
    for (auto i = held_.begin; i < held_.end(); ++i)
      bytes += modulations(work_.blocks[i]) + shared_modulations() + text_keys(work_.blocks[i]);
    if (first() && work_.text_travels) bytes += of_width(text_);
    if (first() || last()) bytes += kLatents * latents();
    return bytes;
  }
  // One more than stages are on their way.
  int64_t batches_alive() const {
    const int64_t stages = post_.layout.mesh.pipeline;
    const auto all = (shape_.pictures + post_.layout.batch_size - 1) / post_.layout.batch_size;
    const auto mine = (all + post_.layout.replicas - 1) / post_.layout.replicas;
    return std::clamp<int64_t>(mine, 1, stages > 1 ? stages + 1 : 1);
  }

  // --- when a batch begins

  // Of all rows, with their padding.
  int64_t embeddings() const { return rows_ * bytes_of_text(post_.work); }

  // The branches' embeddings one below the other, and as they came if they were put together from
  // several samples or by other ranks.
  int64_t given_text() const {
    const bool several =
        post_.samples() > 1 || !place_among(post_.layout.text_encoders, post_.rank);
    const bool both = rows_ > post_.samples();
    return (both ? embeddings() : 0) + (several ? embeddings() : 0);
  }
  int64_t beginning() const {
    return given_text() + (work_.text_travels ? making_modulations() : making_text_keys()) -
           latents() * kLatents;
  }
  // The embedded timesteps of all rows, and one block's modulations before they are laid out.
  int64_t making_modulations() const {
    const auto& block = work_.blocks[held_.end() - 1];
    const auto copies = at_.tensor.ranks > 1 ? 2 : 1;
    return of_width(2 * shape_.steps * rows_) + copies * modulations(block) - head_modulations();
  }
  // Text without its padding, projected; the shared modulations and one block's.
  int64_t making_text_keys() const {
    return embeddings() + of_width(text_) + 2 * shared_modulations() + of_width(2 * shape_.steps);
  }

  // --- one evaluation

  int64_t evaluating() const {
    int64_t most = std::max(embedding(), last() ? 3 * of_width(image_) : 0);
    const Layer* known = nullptr;
    for (auto i = held_.begin; i < held_.end(); ++i) {
      const auto& block = work_.blocks[i];
      if (known && block.every == known->every && block.attention == known->attention) continue;
      known = &block;
      most = std::max(most, work_.text_travels ? joint_block(block) : text_keys_block(block));
    }
    return most;
  }
  // Patches of both branches' latents, embedded, and with their positions.
  int64_t embedding() const {
    if (!first()) return 0;
    return 2 * shape_.branches * latents() + of_width(all_image()) + of_width(image_);
  }
  // Both predictions, and the new latents beside the old.
  int64_t stepping() const { return 6 * latents(); }

  // Products of a block by what they go over and how they are cut.
  struct Found {
    Product qkv, out, up, down;
  };
  Found find(const Layer& block, Rows rows) const {
    Found found;
    for (const auto& p : block.every) {
      if (p.rows != rows) continue;
      const bool heads = p.unit == work_.head_dim;
      auto& as =
          p.cut == Cut::kOut ? (heads ? found.qkv : found.up) : (heads ? found.out : found.down);
      if (as.in == 0) as = p;
    }
    return found;
  }
  int64_t peak_of(const Product& p, int64_t rows) const {
    return p.in == 0 ? 0 : needs_of(p, rows, hands_).peak;
  }
  // The hidden units before and after their activation, and what becomes of them.
  int64_t feed_forward(const Found& f, int64_t rows) const {
    if (f.up.in == 0) return 0;
    const auto hidden = needs_of(f.up, rows, hands_);
    return std::max(hidden.peak, 2 * hidden.result + peak_of(f.down, rows));
  }

  // Queries, keys and values: of tokens that this rank holds with its heads of the tensor axis, and
  // of the tokens that it sees with its heads of the Ulysses axis.
  Heads heads_of(int64_t queries, int64_t keys) const {
    const auto heads = at_.tensor.share(work_.heads);
    const bool alone = at_.sequence().ranks == 1;
    return {.batch = rows_,
            .heads = alone ? heads : at_.ulysses.share(heads),
            .queries = alone ? queries : at_.queries(queries),
            .keys = keys,
            .head_dim = work_.head_dim};
  }
  // Beyond queries, keys and values of `mine` tokens: the merged result is a part of it.
  int64_t attending(int64_t mine, int64_t queries, int64_t keys) const {
    const auto heads = heads_of(queries, keys);
    if (at_.sequence().ranks == 1) return needs_of(heads, post_.element(), post_.on_cpu).peak;
    const auto held = of_heads(mine);  // one of the three
    const auto seen = [&](int64_t tokens) {
      return rows_ * heads.heads * tokens * heads.head_dim * post_.element();
    };
    const auto q = seen(heads.queries), k = seen(at_.queries(keys));
    // What a rank gives is laid out, what it takes lies beside it until it is put together.
    const auto n = at_.ulysses.ranks;
    const auto trade = [&](int64_t from, int64_t to) {
      return n == 1 ? 0 : from + (to - to / n) + to;
    };
    const auto local = needs_of(heads, post_.element(), post_.on_cpu).peak;
    const auto most = at_.ring.ranks == 1 ? local : ring(q, k);
    // Without Ulysses queries, keys and values are those that came.
    if (n == 1) return most;
    return std::max({2 * k + trade(held, q), q + 2 * k + most, local + trade(q, held)});
  }
  // Keys and values that are here and that come, and results of some keys: float32, each with its
  // share of the sum while two are merged.
  int64_t ring(int64_t queries, int64_t keys) const {
    const auto result = queries / post_.element() * kFloat;
    const auto coming = at_.ring.ranks > 2 ? 4 * keys + 5 * result : 4 * keys + result;
    return std::max(coming, 2 * keys + 5 * result);
  }

  // Image and text meet in one attention (src/transformers/sd3_block.cpp).
  int64_t joint_block(const Layer& block) const {
    const auto i = of_width(image_), t = of_width(text_);
    const auto image = find(block, Rows::kImage), text = find(block, Rows::kText);
    const bool normed = block.vector_elements > 0;
    const bool ends = text.out.in == 0;
    const auto tokens = image_ + text_, all = shape_.image_tokens + shape_.text_tokens;
    const auto queries = ends ? image_ : tokens;
    const auto qkv = 3 * of_heads(tokens) + (normed ? 2 * of_heads(tokens) : 0);
    const auto streams = 3 * (i + t);  // as they came, normed, modulated
    const auto joined = (ends ? 0 : of_heads(queries)) + 2 * of_heads(tokens);
    const auto meeting =
        streams + qkv + joined + attending(tokens, ends ? shape_.image_tokens : all, all);
    const auto leaving = streams + qkv + 2 * of_heads(queries) + peak_of(image.out, image_) +
                         (ends ? 0 : peak_of(text.out, text_));
    const auto seen = i + (ends ? 0 : t);
    const auto dual =
        has_dual(block) ? 3 * i + t + seen + 5 * of_heads(image_) +
                              std::max(attending(image_, shape_.image_tokens, shape_.image_tokens),
                                       2 * of_heads(image_) + peak_of(image.out, image_))
                        : 0;
    const auto image_mlp = 3 * i + t + seen + feed_forward(image, image_);
    const auto text_mlp = ends ? 0 : 3 * i + 2 * t + seen + feed_forward(text, text_);
    return std::max({meeting, leaving, dual, image_mlp, text_mlp});
  }
  static bool has_dual(const Layer& block) { return block.attention.size() > 1; }

  // Self-attention, cross-attention to keys made before, feed-forward network
  // (src/transformers/pixart_block.cpp).
  int64_t text_keys_block(const Layer& block) const {
    const auto i = of_width(image_), h = of_heads(image_);
    const auto found = find(block, Rows::kImage);
    const bool normed = block.cut_vectors > 0;
    const auto attention = attending(image_, shape_.image_tokens, shape_.image_tokens);
    const auto self = 2 * i + 3 * h + (normed ? 2 * h : 0) +
                      std::max(attention, attention_result() + peak_of(found.out, image_));
    const auto one = needs_of({.heads = at_.tensor.share(work_.heads),
                               .queries = image_ / rows_,
                               .keys = shape_.text_tokens,
                               .head_dim = work_.head_dim},
                              post_.element(), post_.on_cpu);
    const auto seen = rows_ == 1 ? one.peak : 3 * h;  // each, together, heads merged
    const auto cross = 2 * i + h + std::max(seen, seen + peak_of(found.out, image_));
    const auto mlp = 3 * i + feed_forward(found, image_);
    return std::max({self, cross, mlp});
  }
  int64_t attention_result() const { return 2 * of_heads(image_); }

  // --- what is under way or waits

  int64_t streams() const { return of_width(image_) + (work_.text_travels ? of_width(text_) : 0); }
  // What other batches sent to the next stage, until it takes it.
  int64_t sent(int64_t batches) const {
    if (post_.layout.mesh.pipeline == 1) return 0;
    return last() ? latents() : batches * streams();
  }
  // Of the next turn, posted one ahead.
  int64_t received() const {
    if (post_.layout.mesh.pipeline == 1) return 0;
    return first() ? latents() : streams();
  }
  int64_t waiting() const { return waiting_texts(post_) + waiting_latents(post_); }

  const Post& post_;
  const TransformerWork& work_;
  const Shape& shape_;
  MeshCoordinates at_;
  Part held_;
  Hands hands_;
  int64_t rows_;   // of latents: samples x branches
  int64_t image_;  // tokens of this rank, of all rows
  int64_t text_;
  int64_t channels_;  // of this rank's heads
};

}  // namespace

int64_t other_batches(const Post& post) {
  if (!post.work.transformer || !place_among(post.layout.transformer, post.rank)) return 0;
  return Denoise(post).others();
}

StageMemory denoise_memory(const Post& post) {
  if (!post.work.transformer || !place_among(post.layout.transformer, post.rank)) return {};
  return Denoise(post).memory();
}

}  // namespace trireme
