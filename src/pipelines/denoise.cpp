#include "src/pipelines/denoise.h"

#include "src/pipelines/noise.h"

namespace trireme {
namespace {

constexpr int kNegative = 0, kPositive = 1;  // halves of the guidance axis

TextEmbeddings stack(const std::vector<TextEmbeddings>& rows) {
  const auto join = [&](at::Tensor TextEmbeddings::*field) {
    std::vector<at::Tensor> tensors;
    for (const auto& row : rows) tensors.push_back(row.*field);
    return tensors.front().defined() ? at::cat(tensors) : at::Tensor();
  };
  return {join(&TextEmbeddings::hidden), join(&TextEmbeddings::pooled),
          join(&TextEmbeddings::mask)};
}

// A batch of the denoiser for each thing that this rank evaluates.
class Branches {
 public:
  Branches(const Denoiser& denoiser, const Group& guidance, const DenoiseRequest& request)
      : denoiser_(denoiser), guidance_(guidance), request_(request) {
    const bool here_positive = guidance.alone() || guidance.rank() == kPositive;
    main_ = begin(rows_of_this_rank());
    if (here_positive && !request.guidance.skipped.empty() && request.guidance.on())
      skipping_ = begin(request.text.positive);
  }

  // The guided prediction, on every rank.
  at::Tensor operator()(const at::Tensor& input, int step) const {
    if (!request_.guidance.on()) return predict(denoiser_, *main_, input, step);
    const auto [negative, positive] = both(input, step);
    auto guided = guide(negative, positive, request_.guidance.scale);
    if (request_.guidance.skips(step, request_.num_inference_steps))
      guided.add_(positive - without_some_blocks(input, step), request_.guidance.skip_scale);
    return guided;
  }

 private:
  TextEmbeddings rows_of_this_rank() const {
    const auto& text = request_.text;
    if (!request_.guidance.on()) return text.positive;
    if (guidance_.alone()) return stack(std::vector<TextEmbeddings>{*text.negative, text.positive});
    return guidance_.rank() == kNegative ? *text.negative : text.positive;
  }

  std::unique_ptr<Denoising> begin(const TextEmbeddings& text) const {
    const auto& t = request_.schedule->timesteps;
    return denoiser_.begin(text, std::vector<float>(t.begin(), t.end()),
                           {text.hidden.size(0), request_.height, request_.width});
  }

  std::pair<at::Tensor, at::Tensor> both(const at::Tensor& input, int step) const {
    if (guidance_.alone()) {
      const auto halves = predict(denoiser_, *main_, at::cat({input, input}), step).chunk(2);
      return {halves[kNegative], halves[kPositive]};
    }
    const auto mine = predict(denoiser_, *main_, input, step);
    const auto all = guidance_.all_gather(mine.unsqueeze(0), 0);  // the branches meet
    return {all[kNegative], all[kPositive]};
  }

  at::Tensor without_some_blocks(const at::Tensor& input, int step) const {
    const auto mine = skipping_
                          ? predict(denoiser_, *skipping_, input, step, request_.guidance.skipped)
                          : at::empty_like(input);
    return guidance_.broadcast(mine, guidance_.alone() ? 0 : kPositive);
  }

  const Denoiser& denoiser_;
  const Group& guidance_;
  const DenoiseRequest& request_;
  std::unique_ptr<Denoising> main_, skipping_;
};

// The first step at which each sample was no longer finite, from [steps][batch] flags.
std::vector<int64_t> first_broken(const std::vector<at::Tensor>& finite) {
  const auto flags = at::stack(finite).to(at::kCPU);
  std::vector<int64_t> steps(flags.size(1), -1);
  for (int64_t sample = 0; sample < flags.size(1); ++sample)
    for (int64_t step = flags.size(0) - 1; step >= 0; --step)
      if (!flags[step][sample].item<bool>()) steps[sample] = step;
  return steps;
}

}  // namespace

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

Denoised denoise(const Denoiser& denoiser, const Group& guidance, const DenoiseRequest& request,
                 at::Device device, const GoOn& go_on) {
  const auto& schedule = *request.schedule;
  const auto channels = denoiser.latent_channels();
  const Branches prediction(denoiser, guidance, request);
  Solver solver(request.schedule);
  Noise noise(request.seeds);
  const auto draw = [&] { return noise.draw(channels, request.height, request.width).to(device); };

  auto latents = draw().mul_(schedule.init_noise_sigma);
  std::vector<at::Tensor> finite;
  for (int64_t step = 0; step < schedule.size(); ++step) {
    if (!go_on(step)) return {};
    const auto input = solver.input(latents, step);
    const auto fresh = schedule.needs_noise ? draw() : at::Tensor();
    latents = solver.step(prediction(input, static_cast<int>(step)), step, latents, fresh);
    // A sum is finite only if every term is; looked at after the loop, so that no step waits for
    // it.
    finite.push_back(at::isfinite(latents.flatten(1).sum(1)));
  }
  return {true, latents, first_broken(finite)};
}

}  // namespace trireme
