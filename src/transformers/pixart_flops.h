// PixArtFlops: the FLOPs (parallel/flops.h) that one rank of a mesh does for one batch, from
// numbers alone: a plan asks for ranks that do not exist, a Denoising tells its own. And what
// follows from them: the stages of a pipeline.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/coordinates.h"
#include "src/transformers/pixart_config.h"

namespace trireme {

class PixArtFlops {
 public:
  struct Batch {
    int64_t rows = 1;  // of the latents: samples x guidance branches
    int64_t steps = 1;
    int64_t image_tokens = 0;
    int64_t image_columns = 0;  // of their grid: asked for where keys and values are compressed
    int64_t text_tokens = 0;    // of all rows together, without padding
  };

  // `blocks`: those of the rank's stage.
  PixArtFlops(const PixArtConfig& config, const MeshCoordinates& rank, Part blocks, Batch batch);

  // Once a batch: the timestep's embedder and the text's projection, which every rank repeats, the
  // modulations of all steps, and the text's keys and values in the stage's blocks.
  int64_t begin() const;
  int64_t step() const;  // one evaluation

  // The parts of them, whichever stage they are on.
  int64_t embedders() const;
  int64_t modulations() const;
  int64_t text_keys() const;  // of one block
  int64_t patches() const;
  int64_t block(int64_t index) const;
  int64_t head() const;

 private:
  int64_t channels() const { return rank_.tensor.share(config_.width(), config_.head_dim); }
  int64_t self_attention(int64_t block) const;
  int64_t compressed_attention(const KvSampling& sampling) const;
  int64_t cross_attention() const;

  PixArtConfig config_;
  MeshCoordinates rank_;
  Part blocks_;
  Batch batch_;
  int64_t image_;  // tokens of this rank in all rows
};

// What each block does for a picture of the size that the model was trained for: by that the
// stages of a pipeline are cut (stages_of).
std::vector<double> pixart_block_costs(const PixArtConfig& config);

}  // namespace trireme
