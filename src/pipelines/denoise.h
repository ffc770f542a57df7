// The denoising loop: from noise to latents. Every rank of the transformer holds the whole latents of
// its batch and steps them alike; only the model's evaluation is divided. The one line that is
// particular to guidance over ranks is where the branches' predictions meet.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "src/pipelines/guidance.h"
#include "src/schedulers/solver.h"
#include "src/transformers/denoiser.h"

namespace trireme {

// Text embeddings of a prompt, and of its negative prompt where guidance is on.
struct Conditioning {
  TextEmbeddings positive;
  std::optional<TextEmbeddings> negative;
};

// One batch, rows in the order of its samples.
struct DenoiseRequest {
  std::vector<uint64_t> seeds;
  int64_t height = 0;  // of the latents
  int64_t width = 0;
  Conditioning text;
  Guidance guidance;
  std::shared_ptr<const Schedule> schedule;
  int64_t num_inference_steps = 0;
};

// Called before each step with its number; may throw to stop.
using BeforeStep = std::function<void(int64_t step)>;

struct Denoised {
  at::Tensor latents;                  // float32 [batch, channels, h, w]
  std::vector<int64_t> broken_at_step;  // [batch]: the step whose result was not finite, or -1
};

Denoised denoise(const Denoiser& denoiser, const Group& guidance, const DenoiseRequest& request,
                 at::Device device, const BeforeStep& before_step);

// Rows of several one-row conditionings, one below the other.
Conditioning stack(const std::vector<Conditioning>& rows);

}  // namespace trireme
