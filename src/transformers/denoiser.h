// Denoiser: a diffusion transformer, or this rank's part of one, as the pipelines see it, and
// Denoising: one batch on its way through it, with everything that does not change between steps
// computed once (text keys, modulations of all steps, positions). Nothing is kept between batches.
// A rank holds a contiguous range of blocks; embed runs on the first stage, head on the last. One
// stage does it all.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "parallel/group.h"
#include "parallel/mesh.h"
#include "parallel/split.h"

namespace trireme {

// What the text encoders say about a batch; rows are in the order of the latents.
struct TextEmbeddings {
  at::Tensor hidden;  // [batch, tokens, width]
  at::Tensor pooled;  // SD3: [batch, width]
  at::Tensor mask;    // PixArt-Sigma: int64 [batch, tokens], 1 where there is text
};

// The token streams between two blocks: of each this rank's tokens.
struct Streams {
  at::Tensor image;  // [batch, image tokens, width]
  at::Tensor text;   // SD3: [batch, text tokens, width]
};

// Which tokens of the streams each rank of a sequence group holds.
struct StreamSplits {
  Split image;
  Split text;
  Split both;  // a rank's image tokens and then its text tokens

  StreamSplits(int64_t image_tokens, int64_t text_tokens, int ranks);
};

// The blocks left out of one evaluation (skip-layer guidance); numbers are of the whole model.
using SkippedBlocks = std::vector<int64_t>;

class Denoising {
 public:
  virtual ~Denoising() = default;

  virtual Streams embed(const at::Tensor& latents) const = 0;  // [batch, channels, h, w]
  virtual Streams blocks(Streams streams, int step, const SkippedBlocks& skipped) const = 0;
  virtual at::Tensor head(const Streams& streams,
                          int step) const = 0;  // [batch, out channels, h, w]
  // Shapes, dtype and device of the streams that a later stage receives.
  virtual Streams arriving() const = 0;

  // FLOPs (parallel/flops.h) of this rank, all rows of the batch: of what was computed once when
  // the batch began, and of one evaluation, from embed to head as far as they are this stage's.
  virtual int64_t begin_flops() const = 0;
  virtual int64_t step_flops(const SkippedBlocks& skipped) const = 0;
};

// What a batch looks like before it is denoised.
struct BatchShape {
  int64_t batch = 1;   // rows of the latents: samples x guidance branches
  int64_t height = 0;  // of the latents
  int64_t width = 0;
};

class Denoiser {
 public:
  virtual ~Denoiser() = default;

  virtual std::unique_ptr<Denoising> begin(const TextEmbeddings& text,
                                           const std::vector<float>& timesteps,
                                           BatchShape shape) const = 0;
  virtual int64_t block_count() const = 0;  // of the whole model

  virtual int64_t latent_channels() const = 0;
  virtual int64_t native_size() const = 0;  // pixels of a side that the model was trained for
  virtual at::ScalarType dtype() const = 0;
};

// Error (kBadJob) if there are more pipeline stages than blocks to hold.
void require_stages(int64_t blocks, int stages);

}  // namespace trireme
