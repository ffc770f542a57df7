// Denoising of a batch, from noise to latents, as one rank of the transformer does it: its methods
// are the operations of a program (parallel/schedule), and a stage of a pipeline works on several
// batches in turn. The first stage takes latents in, the last one steps them; the one line that is
// particular to guidance over ranks is where the branches' predictions meet.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <vector>

#include "parallel/mesh.h"
#include "src/pipelines/guidance.h"
#include "src/pipelines/noise.h"
#include "src/schedulers/solver.h"
#include "src/transformers/denoiser.h"

namespace trireme {

// Text embeddings of a prompt, and of its negative prompt where guidance is on.
struct Conditioning {
  TextEmbeddings positive;
  std::optional<TextEmbeddings> negative;
};

Conditioning on(at::Device device, const Conditioning& text);
// Rows of several one-row conditionings, one below the other.
Conditioning stack(const std::vector<Conditioning>& rows);

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

// Instead of a step: all results were finite, or what the sample came with was not.
constexpr int64_t kUnbroken = -1, kBrokenBefore = -2;

struct Denoised {
  at::Tensor latents;                   // float32 [batch, channels, h, w]
  std::vector<int64_t> broken_at_step;  // [batch]: the step whose result was not finite
};

class StagedBatch {
 public:
  // Draws the noise and computes what does not change between steps. `denoiser` and `mesh` must
  // outlive this.
  StagedBatch(const Denoiser& denoiser, const Mesh& mesh, DenoiseRequest request,
              at::Device device);

  void expect(int64_t step);   // posts the receive ...
  void receive(int64_t step);  // ... and waits for it; posts it first if nobody did
  void forward(int64_t step);  // this stage's blocks, with embedding or head where they are here
  void step(int64_t step);     // last stage: guidance and the scheduler's step
  void send(int64_t step);     // streams to the next stage, latents from the last to the first

  bool is_last(int64_t step) const { return step + 1 == request_.schedule->size(); }
  Denoised result() const;  // of the last stage, after the last step

  // FLOPs (parallel/flops.h) of this rank: before the first step, and of forward().
  int64_t begin_flops() const;
  int64_t step_flops(int64_t step);

 private:
  // One evaluation of the denoiser: both guidance branches or one, or one with blocks left out.
  struct Branch {
    std::unique_ptr<Denoising> batch;
    SkippedBlocks skipped;
    Streams streams;
    at::Tensor prediction;  // float32, last stage
  };

  bool first_stage() const { return mesh_.pipeline.rank() == 0; }
  bool last_stage() const { return mesh_.pipeline.rank() == mesh_.pipeline.size() - 1; }
  std::vector<Branch*> branches_of(int64_t step);
  TextEmbeddings text_of_this_rank() const;
  Branch begin(const TextEmbeddings& text, SkippedBlocks skipped) const;
  at::Tensor draw();
  at::Tensor guided(int64_t step);
  std::pair<at::Tensor, at::Tensor> both_predictions() const;

  const Denoiser& denoiser_;
  const Mesh& mesh_;
  DenoiseRequest request_;
  at::Device device_;
  Noise noise_;
  Solver solver_;
  Branch main_;
  std::optional<Branch> skipping_;
  at::Tensor latents_;              // first and last stage
  std::vector<Pending> expected_;   // in the order in which they are sent
  std::vector<at::Tensor> finite_;  // bool [batch] of each step, last stage
};

}  // namespace trireme
