// Sd3Flops: the FLOPs (parallel/flops.h) that one rank of a mesh does for one batch, from numbers
// alone: a plan asks for ranks that do not exist, a Denoising tells its own. And what follows from
// them: the stages of a pipeline.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/coordinates.h"
#include "src/transformers/sd3_config.h"

namespace trireme {

class Sd3Flops {
 public:
  struct Batch {
    int64_t rows = 1;  // of the latents: samples x guidance branches
    int64_t steps = 1;
    int64_t image_tokens = 0;
    int64_t text_tokens = 0;  // of a row, padding with them
  };

  // `blocks`: those of the rank's stage.
  Sd3Flops(const Sd3Config& config, const MeshCoordinates& rank, Part blocks, Batch batch);

  // Once a batch: the embedders of timestep and pooled text, which every rank repeats, the
  // modulations of all steps, and on the first stage the text's way into the model.
  int64_t begin() const;
  // One evaluation without the `skipped` blocks (numbers of the whole model).
  int64_t step(const std::vector<int64_t>& skipped = {}) const;

  // The parts of them, whichever stage they are on.
  int64_t embedders() const;
  int64_t text_projection() const;
  int64_t modulations(int64_t block) const;
  int64_t head_modulations() const;
  int64_t patches() const;
  int64_t block(int64_t index) const;
  int64_t head() const;

 private:
  int64_t projections(int64_t tokens, bool with_output) const;
  int64_t feed_forward(int64_t tokens) const;
  int64_t attention(int64_t queries, int64_t keys) const;

  Sd3Config config_;
  MeshCoordinates rank_;
  Part blocks_;
  Batch batch_;
  int64_t image_, text_;  // tokens of this rank in all rows
};

// What each block does for a picture of the size that the model was trained for: by that the
// stages of a pipeline are cut (stages_of).
std::vector<double> sd3_block_costs(const Sd3Config& config);

}  // namespace trireme
