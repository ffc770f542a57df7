// Recipe: how a sample is made once the model is known, without optionals: the job's sampling, a
// row's own values and the family's defaults in one plain value. Samples with equal recipes may
// travel in one batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/config/prompts.h"
#include "src/config/source.h"
#include "src/pipelines/binning.h"
#include "src/pipelines/guidance.h"
#include "src/transformers/kv_sampling.h"

namespace trireme {

enum class Family { kSd3, kPixArtSigma };

// What recipes need to know of a model.
struct ModelFacts {
  Family family = Family::kSd3;
  int64_t sample_size = 0;        // latent pixels of a side that the transformer was trained for
  int64_t pixels_per_latent = 8;  // of a side, by the VAE
  int64_t patch_size = 2;
  bool text_on_every_stage = false;  // blocks read the text encoders' tokens, not only the first
  int64_t text_width = 0;            // of the text encoders' tokens
  int64_t pooled_width = 0;          // SD3: of the pooled text; 0: there is none
  int64_t latent_channels = 0;
  std::optional<int64_t> most_patches = {};    // of a side: SD3's table of positions ends there
  std::optional<KvSampling> kv_sampling = {};  // of some blocks
};

struct Recipe {
  Size asked;  // pixels of the picture
  Size made;   // pixels before it is resized and cropped; differs from `asked` by binning only
  int64_t num_inference_steps = 0;
  Guidance guidance;
  int64_t max_sequence_length = 0;
  int64_t clip_skip = 0;
  bool clean_caption = false;
  std::vector<double> sigmas;
  std::vector<double> timesteps;
  std::string scheduler;  // JSON of the job's own choice, or empty

  bool operator==(const Recipe&) const = default;
};

// What of the sample's sampling the model cannot do, with what it can; `place` is the key alone
// ("height"), for the caller to say whether the job or a row gave it.
std::vector<Problem> problems_of(const Sample& sample, const ModelFacts& model);

// For a sample without problems.
Recipe recipe_for(const Sample& sample, const ModelFacts& model);

const char* to_string(Family family);  // "sd3", "pixart-sigma"

}  // namespace trireme
