// The denoising loop: from noise to latents. Every rank of the transformer holds the whole latents
// of its batch and steps them alike; only the model's evaluation is divided. The one line that is
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

// Called before each step with its number; false ends the loop there, on every rank alike.
using GoOn = std::function<bool(int64_t step)>;

struct Denoised {
  bool complete = false;                // else nothing below is meant
  at::Tensor latents;                   // float32 [batch, channels, h, w]
  std::vector<int64_t> broken_at_step;  // [batch]: the step whose result was not finite, or -1
};

Denoised denoise(const Denoiser& denoiser, const Group& guidance, const DenoiseRequest& request,
                 at::Device device, const GoOn& go_on);

// Rows of several one-row conditionings, one below the other.
Conditioning stack(const std::vector<Conditioning>& rows);

}  // namespace trireme
