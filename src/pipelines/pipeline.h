// Pipeline: a model on the ranks of one replica, as three functions: encode a prompt, denoise a
// batch, decode a sample. It owns this rank's part of every component and nothing that changes. All
// ranks of the replica call encode and denoise together; decode is called by the VAE's ranks alone.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/config/prompts.h"
#include "src/pipelines/denoise.h"
#include "src/pipelines/placement.h"
#include "src/pipelines/recipe.h"
#include "src/pipelines/text.h"
#include "src/schedulers/scheduler_config.h"
#include "src/vae/decoder.h"
#include "src/weights/repository.h"

namespace trireme {

struct PipelineOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  bool denoises = true;  // the job goes beyond text embeddings
  bool decodes = true;   // ... and beyond latents
  bool tiles = false;    // large pictures are decoded in tiles
};

// What can be known of a model before any weight is read.
ModelFacts facts_of(const Repository& repository);
int64_t block_count(const Repository& repository);  // of the transformer

// Takes rows of a picture, uint8 [n, width, 3] on the host, top to bottom.
using TakeRows = std::function<void(const at::Tensor& rows)>;

class Pipeline {
 public:
  // Reads this rank's part of the weights. Every tensor of a file is read by some rank or on the
  // component's list of what is not needed.
  Pipeline(const Repository& repository, Placement placement, PipelineOptions options);

  // Collective over the replica; every rank gets the embeddings.
  TextEmbeddings encode(const Prompt& prompt) const;

  // Collective over the replica; every rank gets the latents. Ends before a step to which any rank
  // of the transformer says no.
  Denoised denoise(const std::vector<Sample>& samples, const Recipe& recipe,
                   const Conditioning& text, const GoOn& go_on) const;

  // latents float32 [channels, h, w] -> a picture's rows, which the first of the VAE's ranks takes,
  // one rank's after the other's, so that none holds them all (but where the picture is resized).
  // Collective over the VAE's ranks.
  void decode(const at::Tensor& latents, const Recipe& recipe, const TakeRows& take) const;

  const ModelFacts& facts() const { return facts_; }
  const Placement& placement() const { return placement_; }
  std::string scheduler_class(const Recipe& recipe) const;

 private:
  SchedulerConfig scheduler_for(const Recipe& recipe) const;
  DenoiseRequest request_for(const std::vector<Sample>& samples, const Recipe& recipe,
                             const Conditioning& text) const;
  Denoised everywhere(Denoised denoised) const;

  ModelFacts facts_;
  Placement placement_;
  PipelineOptions options_;
  nlohmann::json scheduler_;            // the checkpoint's scheduler_config.json
  std::unique_ptr<TextEncoders> text_;  // on the encoders' ranks
  std::unique_ptr<Denoiser> denoiser_;  // on the transformer's ranks
  std::optional<VaeDecoder> vae_;       // on the VAE's ranks
};

}  // namespace trireme
