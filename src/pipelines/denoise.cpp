#include "src/pipelines/denoise.h"

#include <utility>

namespace trireme {
namespace {

constexpr int kNegative = 0, kPositive = 1;  // halves of the guidance axis

TextEmbeddings stack(const std::vector<TextEmbeddings>& rows) {
  const auto join = [&](at::Tensor TextEmbeddings::*field) {
    std::vector<at::Tensor> tensors;
    for (const auto& row : rows) tensors.push_back(row.*field);
    if (tensors.size() == 1) return tensors.front();
    return tensors.front().defined() ? at::cat(tensors) : at::Tensor();
  };
  return {join(&TextEmbeddings::hidden), join(&TextEmbeddings::pooled),
          join(&TextEmbeddings::mask)};
}

// The first step at which each sample was no longer finite, from [steps][batch] flags.
std::vector<int64_t> first_broken(const std::vector<at::Tensor>& finite) {
  const auto flags = at::stack(finite).to(at::kCPU);
  std::vector<int64_t> steps(flags.size(1), kUnbroken);
  for (int64_t sample = 0; sample < flags.size(1); ++sample)
    for (int64_t step = flags.size(0) - 1; step >= 0; --step)
      if (!flags[step][sample].item<bool>()) steps[sample] = step;
  return steps;
}

}  // namespace

Conditioning on(at::Device device, const Conditioning& text) {
  const auto move = [&](const at::Tensor& x) { return x.defined() ? x.to(device) : x; };
  const auto moved = [&](const TextEmbeddings& t) {
    return TextEmbeddings{move(t.hidden), move(t.pooled), move(t.mask)};
  };
  return {moved(text.positive),
          text.negative ? std::optional(moved(*text.negative)) : std::nullopt};
}

Conditioning stack(const std::vector<Conditioning>& rows) {
  std::vector<TextEmbeddings> positive, negative;
  for (const auto& row : rows) {
    positive.push_back(row.positive);
    if (row.negative) negative.push_back(*row.negative);
  }
  Conditioning all{stack(positive), std::nullopt};
  if (!negative.empty()) all.negative = stack(negative);
  return all;
}

StagedBatch::StagedBatch(const Denoiser& denoiser, const Mesh& mesh, DenoiseRequest request,
                         at::Device device)
    : denoiser_(denoiser),
      mesh_(mesh),
      request_(std::move(request)),
      device_(device),
      noise_(request_.seeds),
      solver_(request_.schedule),
      main_(begin(text_of_this_rank(), {})) {
  const auto& guidance = request_.guidance;
  const bool here_positive = mesh.guidance.alone() || mesh.guidance.rank() == kPositive;
  if (here_positive && guidance.on() && !guidance.skipped.empty())
    skipping_ = begin(request_.text.positive, guidance.skipped);
  if (first_stage() || last_stage()) latents_ = draw().mul_(request_.schedule->init_noise_sigma);
  request_.text = {};
}

at::Tensor StagedBatch::draw() {
  return noise_.draw(denoiser_.latent_channels(), request_.height, request_.width).to(device_);
}

TextEmbeddings StagedBatch::text_of_this_rank() const {
  const auto& text = request_.text;
  if (!request_.guidance.on()) return text.positive;
  if (mesh_.guidance.alone())
    return stack(std::vector<TextEmbeddings>{*text.negative, text.positive});
  return mesh_.guidance.rank() == kNegative ? *text.negative : text.positive;
}

StagedBatch::Branch StagedBatch::begin(const TextEmbeddings& text, SkippedBlocks skipped) const {
  const auto& t = request_.schedule->timesteps;
  return {denoiser_.begin(text, std::vector<float>(t.begin(), t.end()),
                          {text.hidden.size(0), request_.height, request_.width}),
          std::move(skipped),
          {},
          {}};
}

std::vector<StagedBatch::Branch*> StagedBatch::branches_of(int64_t step) {
  if (skipping_ && request_.guidance.skips(step, request_.num_inference_steps))
    return {&main_, &*skipping_};
  return {&main_};
}

void StagedBatch::expect(int64_t step) {
  const int stages = mesh_.pipeline.size();
  const auto post = [&](const at::Tensor& like) {
    const int before = (mesh_.pipeline.rank() + stages - 1) % stages;
    expected_.push_back(mesh_.pipeline.start_receive(like, before));
  };
  if (first_stage()) return post(latents_);
  for (const auto* branch : branches_of(step)) {
    const auto like = branch->batch->arriving();
    post(like.image);
    if (like.text.defined()) post(like.text);
  }
}

void StagedBatch::receive(int64_t step) {
  if (expected_.empty()) expect(step);
  auto next = expected_.begin();
  if (first_stage()) {
    latents_ = next->wait();
  } else {
    for (auto* branch : branches_of(step)) {
      branch->streams.image = next++->wait();
      if (branch->batch->arriving().text.defined()) branch->streams.text = next++->wait();
    }
  }
  expected_.clear();
}

void StagedBatch::forward(int64_t step) {
  const int row = static_cast<int>(step);
  for (auto* branch : branches_of(step)) {
    if (first_stage()) {
      const auto input = solver_.input(latents_, step);
      const bool doubled = branch == &main_ && request_.guidance.on() && mesh_.guidance.alone();
      branch->streams =
          branch->batch->embed((doubled ? at::cat({input, input}) : input).to(denoiser_.dtype()));
    }
    branch->streams = branch->batch->blocks(std::move(branch->streams), row, branch->skipped);
    if (!last_stage()) continue;
    const auto whole = branch->batch->head(std::exchange(branch->streams, {}), row);
    // A learned variance is cut off.
    branch->prediction = whole.narrow(1, 0, denoiser_.latent_channels()).to(at::kFloat);
  }
}

std::pair<at::Tensor, at::Tensor> StagedBatch::both_predictions() const {
  if (mesh_.guidance.alone()) {
    const auto halves = main_.prediction.chunk(2);
    return {halves[kNegative], halves[kPositive]};
  }
  const auto all = mesh_.guidance.all_gather(main_.prediction.unsqueeze(0), 0);  // they meet
  return {all[kNegative], all[kPositive]};
}

at::Tensor StagedBatch::guided(int64_t step) {
  if (!request_.guidance.on()) return main_.prediction;
  const auto [negative, positive] = both_predictions();
  auto guided = guide(negative, positive, request_.guidance.scale);
  if (!request_.guidance.skips(step, request_.num_inference_steps)) return guided;
  const auto mine = skipping_ ? skipping_->prediction : at::empty_like(positive);
  const auto skipped = mesh_.guidance.broadcast(mine, mesh_.guidance.alone() ? 0 : kPositive);
  return guided.add_(positive - skipped, request_.guidance.skip_scale);
}

void StagedBatch::step(int64_t step) {
  const auto fresh = request_.schedule->needs_noise ? draw() : at::Tensor();
  latents_ = solver_.step(guided(step), step, latents_, fresh);
  main_.prediction.reset();
  // A sum is finite only if every term is; looked at after the last step, so that none waits for
  // it.
  finite_.push_back(at::isfinite(latents_.flatten(1).sum(1)));
}

void StagedBatch::send(int64_t step) {
  const int after = (mesh_.pipeline.rank() + 1) % mesh_.pipeline.size();
  if (last_stage()) {
    mesh_.pipeline.start_send(latents_, after);
    return;
  }
  for (auto* branch : branches_of(step)) {
    const auto streams = std::exchange(branch->streams, {});
    mesh_.pipeline.start_send(streams.image, after);
    if (streams.text.defined()) mesh_.pipeline.start_send(streams.text, after);
  }
}

int64_t StagedBatch::begin_flops() const {
  return main_.batch->begin_flops() + (skipping_ ? skipping_->batch->begin_flops() : 0);
}

int64_t StagedBatch::step_flops(int64_t step) {
  int64_t flops = 0;
  for (const auto* branch : branches_of(step)) flops += branch->batch->step_flops(branch->skipped);
  return flops;
}

Denoised StagedBatch::result() const {
  return {latents_, first_broken(finite_)};
}

}  // namespace trireme
