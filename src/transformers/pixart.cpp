#include "src/transformers/pixart.h"

namespace trireme {
namespace {

constexpr double kHeadEps = 1e-6;
enum HeadPart : int64_t { kShift, kScale };

// The text of each sample without its padding: [1, its tokens, width]. A sample with nothing but
// padding keeps it all, as a bias that is the same for every key changes no softmax.
std::vector<at::Tensor> without_padding(const TextEmbeddings& text) {
  std::vector<at::Tensor> samples;
  for (int64_t i = 0; i < text.hidden.size(0); ++i) {
    const auto sample = text.hidden[i];
    const auto kept = text.mask.defined() ? text.mask[i].nonzero().squeeze(1) : at::Tensor();
    const bool all = !kept.defined() || kept.size(0) == 0;
    samples.push_back((all ? sample : sample.index_select(0, kept)).unsqueeze(0));
  }
  return samples;
}

}  // namespace

CaptionProjection::CaptionProjection(const Weights& w, int64_t in, int64_t out)
    : linear_1(w / "linear_1", {.in = in, .out = out}),
      linear_2(w / "linear_2", {.in = out, .out = out}) {}

at::Tensor CaptionProjection::operator()(const at::Tensor& text) const {
  return linear_2(activate(linear_1(text), Activation::kGeluTanh));
}

PixArtHead::PixArtHead(const Weights& w, const PixArtConfig& c)
    : table(w.read("scale_shift_table", {2, c.width()})),
      out(w / "proj_out", {.in = c.width(), .out = c.patch_out(), .plain = true}) {}

PixArtTransformer::PixArtTransformer(const PixArtConfig& c, const Weights& w, const Mesh& mesh,
                                     at::ScalarType dtype)
    : config_(c),
      dtype_(dtype),
      sequence_(mesh.sequence.all),
      coordinates_(mesh.coordinates()),
      held_(stages_of(mesh.shape, pixart_block_costs(c))[mesh.pipeline.rank()]),
      time_(w / "adaln_single" / "emb" / "timestep_embedder", c.kTimeChannels, c.width()),
      modulation_(w / "adaln_single" / "linear", mesh.tensor,
                  {.in = c.width(), .out = c.kModulations * c.width()}),
      caption_(w / "caption_projection", c.caption_channels, c.width()) {
  const bool first = mesh.pipeline.rank() == 0,
             last = mesh.pipeline.rank() == mesh.pipeline.size() - 1;
  require_stages(c.num_layers, mesh.pipeline.size());
  if (first) {
    patches_.emplace(w / "pos_embed" / "proj", c.in_channels, c.width(), c.patch_size);
  } else {
    (w / "pos_embed").elsewhere();
  }
  for (int64_t i = 0; i < c.num_layers; ++i) {
    if (i >= held_.begin && i < held_.end()) {
      blocks_.emplace_back(w, i, c, mesh);
    } else {
      (w / "transformer_blocks" / i).elsewhere();
      (w / "blocks" / i).elsewhere();
    }
  }
  if (last) {
    head_.emplace(w, c);
  } else {
    (w / "scale_shift_table").elsewhere();
    (w / "proj_out").elsewhere();
  }
}

class PixArtDenoising : public Denoising {
 public:
  PixArtDenoising(const PixArtTransformer& model, const TextEmbeddings& text,
                  const std::vector<float>& timesteps, BatchShape shape)
      : model_(model),
        shape_(shape),
        options_(text.hidden.options().dtype(model.dtype_)),
        rows_(shape.height / model.config_.patch_size),
        columns_(shape.width / model.config_.patch_size),
        steps_(static_cast<int64_t>(timesteps.size())),
        tokens_{rows_, columns_, Split(rows_ * columns_, model.sequence_.size())} {
    std::vector<at::Tensor> captions;
    for (const auto& sample : without_padding(text)) {
      captions.push_back(model.caption_(sample.to(model.dtype_)));
      text_tokens_ += sample.size(1);
    }
    const auto t = at::tensor(timesteps, options_.dtype(at::kFloat));
    const auto time = model.time_(timestep_sinusoid(t).to(model.dtype_));
    const auto shared =
        model.modulation_(at::silu(time)).unflatten(-1, {PixArtConfig::kModulations, -1});
    for (const auto& block : model.blocks_) {
      modulations_.push_back(block.modulations(shared));
      text_keys_.push_back(block.text_keys(captions));
    }
    if (model.patches_)
      positions_ = mine(grid_sinusoid(rows_, columns_, model.config_.width(),
                                      model.config_.base_size(), model.config_.interpolation_scale)
                            .unsqueeze(0)
                            .to(options_.device()));
    if (model.head_) {
      const auto rows = (model.head_->table + time.unsqueeze(1)).unsqueeze(1).flatten(2);
      head_modulation_.emplace(rows, 2, std::vector<int64_t>{kScale});
    }
  }

  Streams embed(const at::Tensor& latents) const override {
    return {at::add(mine((*model_.patches_)(latents)), positions_).to(model_.dtype_), {}};
  }

  Streams blocks(Streams streams, int step, const SkippedBlocks&) const override {
    for (size_t i = 0; i < model_.blocks_.size(); ++i)
      streams.image = model_.blocks_[i](std::move(streams.image), tokens_, text_keys_[i],
                                        modulations_[i], step);
    return streams;
  }

  at::Tensor head(const Streams& streams, int step) const override {
    const auto& m = *head_modulation_;
    const auto x = modulated(unit_norm(streams.image, kHeadEps), m(step, kShift), m(step, kScale));
    const auto patches = model_.sequence_.all_gather(model_.head_->out(x), 1, tokens_.split);
    return unpatchify(patches, rows_, columns_, model_.config_.patch_size);
  }

  Streams arriving() const override {
    const auto tokens = tokens_.split[model_.sequence_.rank()].length;
    return {at::empty({shape_.batch, tokens, model_.config_.width()}, options_), {}};
  }

  int64_t begin_flops() const override { return flops().begin(); }
  int64_t step_flops(const SkippedBlocks&) const override { return flops().step(); }

 private:
  PixArtFlops flops() const {
    return {model_.config_,
            model_.coordinates_,
            model_.held_,
            {.rows = shape_.batch,
             .steps = steps_,
             .image_tokens = rows_ * columns_,
             .image_columns = columns_,
             .text_tokens = text_tokens_}};
  }
  // This rank's tokens, [batch, tokens, ...].
  at::Tensor mine(const at::Tensor& stream) const {
    return shard(stream, 1, tokens_.split, model_.sequence_.rank());
  }

  const PixArtTransformer& model_;
  BatchShape shape_;
  at::TensorOptions options_;
  int64_t rows_, columns_, steps_;
  int64_t text_tokens_ = 0;  // of all rows together
  ImageTokens tokens_;
  at::Tensor positions_;                          // float32 [1, tokens, width], first stage
  std::vector<std::vector<TextKeys>> text_keys_;  // by block, by sample
  std::vector<ModulationTable> modulations_;      // by block
  std::optional<ModulationTable> head_modulation_;
};

std::unique_ptr<Denoising> PixArtTransformer::begin(const TextEmbeddings& text,
                                                    const std::vector<float>& timesteps,
                                                    BatchShape shape) const {
  return std::make_unique<PixArtDenoising>(*this, text, timesteps, shape);
}

}  // namespace trireme
