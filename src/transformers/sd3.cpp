#include "src/transformers/sd3.h"

#include <algorithm>

namespace trireme {
namespace {

constexpr double kEps = 1e-6;
enum HeadPart : int64_t { kScale, kShift };

}  // namespace

Sd3Embed::Sd3Embed(const Weights& w, const Sd3Config& c, BeyondTable beyond)
    : patches(w / "pos_embed" / "proj", c.in_channels, c.width(), c.patch_size),
      positions(w / "pos_embed",
                {.size = c.pos_embed_max_size, .width = c.width(), .base = c.base_size()}, beyond),
      text(w / "context_embedder", {.in = c.joint_attention_dim, .out = c.width()}) {}

Sd3Head::Sd3Head(const Weights& w, const Sd3Config& c, const Group& tensor)
    : modulation(w / "norm_out" / "linear", tensor, {.in = c.width(), .out = 2 * c.width()}),
      out(w / "proj_out", {.in = c.width(), .out = c.patch_out(), .plain = true}) {}

Sd3Transformer::Sd3Transformer(const Sd3Config& c, const Weights& w, const Mesh& mesh,
                               at::ScalarType dtype, BeyondTable beyond)
    : config_(c),
      dtype_(dtype),
      sequence_(mesh.sequence.all),
      coordinates_(mesh.coordinates()),
      held_(stages_of(mesh.shape, sd3_block_costs(c))[mesh.pipeline.rank()]),
      time_(w / "time_text_embed" / "timestep_embedder", c.kTimeChannels, c.width()),
      text_(w / "time_text_embed" / "text_embedder", c.pooled_projection_dim, c.width()) {
  const bool first = mesh.pipeline.rank() == 0,
             last = mesh.pipeline.rank() == mesh.pipeline.size() - 1;
  require_stages(c.num_layers, mesh.pipeline.size());
  if (first) {
    embed_.emplace(w, c, beyond);
  } else {
    (w / "pos_embed").elsewhere();
    (w / "context_embedder").elsewhere();
  }
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const auto block = w / "transformer_blocks" / i;
    if (i >= held_.begin && i < held_.end()) {
      blocks_.emplace_back(block, c, mesh, i);
    } else {
      block.elsewhere();
    }
  }
  if (last) {
    head_.emplace(w, c, mesh.tensor);
  } else {
    (w / "norm_out").elsewhere();
    (w / "proj_out").elsewhere();
  }
}

class Sd3Denoising : public Denoising {
 public:
  Sd3Denoising(const Sd3Transformer& model, const TextEmbeddings& text,
               const std::vector<float>& timesteps, BatchShape shape)
      : model_(model),
        shape_(shape),
        rows_(shape.height / model.config_.patch_size),
        columns_(shape.width / model.config_.patch_size),
        tokens_(rows_ * columns_, text.hidden.size(1), model.sequence_.size()),
        flops_(model.config_, model.coordinates_, model.held_,
               {.rows = shape.batch,
                .steps = static_cast<int64_t>(timesteps.size()),
                .image_tokens = rows_ * columns_,
                .text_tokens = text.hidden.size(1)}) {
    const auto pooled = text.pooled.to(model.dtype_);
    if (model.embed_) {
      positions_ = mine(model.embed_->positions.crop(rows_, columns_), tokens_.image);
      text_ = model.embed_->text(mine(text.hidden, tokens_.text).to(model.dtype_));
    }
    const auto t = at::tensor(timesteps, pooled.options().dtype(at::kFloat));
    const auto time = model.time_(timestep_sinusoid(t).to(model.dtype_));
    const auto silu_temb = at::silu(time.unsqueeze(1) + model.text_(pooled).unsqueeze(0));
    for (const auto& block : model.blocks_) modulations_.push_back(block.modulations(silu_temb));
    if (model.head_)
      head_modulation_.emplace(model.head_->modulation(silu_temb), 2, std::vector<int64_t>{kScale});
  }

  Streams embed(const at::Tensor& latents) const override {
    const auto patches = mine(model_.embed_->patches(latents), tokens_.image);
    return {at::add(patches, positions_).to(model_.dtype_), text_};
  }

  Streams blocks(Streams streams, int step, const SkippedBlocks& skipped) const override {
    for (size_t i = 0; i < model_.blocks_.size(); ++i) {
      const auto number = model_.held_.begin + static_cast<int64_t>(i);
      if (std::find(skipped.begin(), skipped.end(), number) != skipped.end()) continue;
      streams = model_.blocks_[i](std::move(streams), tokens_, modulations_[i], step);
    }
    return streams;
  }

  at::Tensor head(const Streams& streams, int step) const override {
    const auto& m = *head_modulation_;
    const auto x = modulated(unit_norm(streams.image, kEps), m(step, kShift), m(step, kScale));
    const auto patches = model_.sequence_.all_gather(model_.head_->out(x), 1, tokens_.image);
    return unpatchify(patches, rows_, columns_, model_.config_.patch_size);
  }

  Streams arriving() const override {
    const auto options = at::TensorOptions().dtype(model_.dtype_).device(device());
    const auto width = model_.config_.width();
    const int rank = model_.sequence_.rank();
    return {at::empty({shape_.batch, tokens_.image[rank].length, width}, options),
            at::empty({shape_.batch, tokens_.text[rank].length, width}, options)};
  }

  int64_t begin_flops() const override { return flops_.begin(); }
  int64_t step_flops(const SkippedBlocks& skipped) const override { return flops_.step(skipped); }

 private:
  // This rank's tokens of a stream, [batch, tokens, ...].
  at::Tensor mine(const at::Tensor& stream, const Split& tokens) const {
    return shard(stream, 1, tokens, model_.sequence_.rank());
  }
  at::Device device() const { return modulations_.front().image(0, 0).device(); }

  const Sd3Transformer& model_;
  BatchShape shape_;
  int64_t rows_, columns_;
  StreamSplits tokens_;
  Sd3Flops flops_;
  at::Tensor positions_;  // [1, image tokens of this rank, width], first stage
  at::Tensor text_;       // [batch, text tokens of this rank, width], first stage
  std::vector<JointModulations> modulations_;
  std::optional<ModulationTable> head_modulation_;
};

std::unique_ptr<Denoising> Sd3Transformer::begin(const TextEmbeddings& text,
                                                 const std::vector<float>& timesteps,
                                                 BatchShape shape) const {
  return std::make_unique<Sd3Denoising>(*this, text, timesteps, shape);
}

}  // namespace trireme
