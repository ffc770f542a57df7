// Pipeline: a model on the ranks of one replica: what encodes a prompt, denoises a batch and
// decodes a sample. It owns this rank's part of the components that it was told to hold, all of
// them or one after the other. What is done in which order is the program's to say
// (parallel/schedule); each function is called by the ranks of its component, together.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/config/prompts.h"
#include "src/pipelines/components.h"
#include "src/pipelines/denoise.h"
#include "src/pipelines/placement.h"
#include "src/pipelines/recipe.h"
#include "src/pipelines/text.h"
#include "src/schedulers/schedule.h"
#include "src/transformers/position_table.h"
#include "src/vae/decoder.h"
#include "src/weights/repository.h"

namespace trireme {

struct PipelineOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  // The part of the way that the job goes: any contiguous one.
  bool encodes = true;
  bool denoises = true;
  bool decodes = true;
  bool tiles = false;                               // large pictures are decoded in tiles
  bool waits_on_host = false;                       // components, until somebody brings them
  BeyondTable beyond_table = BeyondTable::kRefuse;  // SD3's pictures larger than its positions
};

// What can be known of a model before any weight is read.
ModelFacts facts_of(const Repository& repository, BeyondTable beyond = BeyondTable::kRefuse);
int64_t block_count(const Repository& repository);  // of the transformer

// Takes rows of a picture, uint8 [n, width, 3] on the host, top to bottom.
using TakeRows = std::function<void(const at::Tensor& rows)>;

class Pipeline {
 public:
  // Holds nothing yet. `repository` must outlive this.
  Pipeline(const Repository& repository, Placement placement, PipelineOptions options);

  // From here on this rank holds its part of these components, as far as the job needs them, and of
  // no others: those are freed first, then what is missing is read. Every tensor of a file is read
  // by some rank or on the component's list of what is not needed.
  void hold(const Parts& parts);

  // Where components wait on the host: of those held these are on the device for what follows, and
  // no others. fetch() begins to bring some while others still work. Nothing where they do not.
  void bring(const Parts& parts);
  void fetch(const Parts& parts);

  // On the text encoders' ranks: the embeddings, a batch of one.
  TextEmbeddings encode(const Prompt& prompt) const { return (*text_)(prompt); }
  int64_t encode_flops(const Prompt& prompt) const { return text_->flops(prompt); }  // of this rank

  // How a batch of this recipe is stepped.
  std::shared_ptr<const Schedule> schedule(const Recipe& recipe) const;
  // On the transformer's ranks: a batch before its first step. It must not outlive this.
  StagedBatch begin(const std::vector<Sample>& samples, const Recipe& recipe,
                    const Conditioning& text) const;

  // On the VAE's ranks: this rank's rows of the latents, float32 [channels, rows, w] -> a picture's
  // rows, which the first of them takes, one rank's after the other's, so that none holds them all.
  void decode(const at::Tensor& latents, const Recipe& recipe, const TakeRows& take) const;

  int64_t decode_flops(const Recipe& recipe) const;  // of this rank, a sample

  const ModelFacts& facts() const { return facts_; }
  at::TensorOptions tensor_options() const {  // of text embeddings
    return at::TensorOptions().dtype(options_.dtype).device(options_.device);
  }
  const Placement& placement() const { return placement_; }
  // What the ranks of the replica do in this job. The VAE has the last word of a batch, or else the
  // first rank of the last stage.
  Roles roles() const;
  int writer() const;  // the rank of the replica that writes files
  std::string scheduler_class(const Recipe& recipe) const;

 private:
  const Repository& repository_;
  ModelFacts facts_;
  Placement placement_;
  PipelineOptions options_;
  nlohmann::json scheduler_;            // the checkpoint's scheduler_config.json
  std::unique_ptr<TextEncoders> text_;  // on the encoders' ranks
  std::unique_ptr<Denoiser> denoiser_;  // on the transformer's ranks
  std::optional<VaeDecoder> vae_;       // on the VAE's ranks
  // Of what of them waits on the host.
  std::shared_ptr<Residence> text_home_, transformer_home_, vae_home_;
};

}  // namespace trireme
