// How a picture is made, by the names of diffusers' call arguments. The same struct stands in a job
// under `sampling` and, with a row's own values laid over it, beside every prompt. What is optional
// and not given takes the default of the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trireme {

struct Sampling {
  std::optional<int64_t>
      height;  // pixels; the model's own size. Multiples of 16, or any with binning
  std::optional<int64_t> width;
  std::optional<int64_t> num_inference_steps;  // 28 for SD3, 20 for PixArt-Sigma
  std::optional<double> guidance_scale;        // 7.0 and 4.5; no guidance at <= 1

  std::string negative_prompt;
  std::string negative_prompt_2;  // SD3; empty: negative_prompt
  std::string negative_prompt_3;  // SD3; empty: negative_prompt

  int64_t num_images_per_prompt = 1;
  uint64_t seed = 0;  // sample i draws its noise from seed + i
  std::optional<int64_t>
      max_sequence_length;           // T5 tokens: 256 for SD3 (at most 512), 300 for PixArt
  std::optional<int64_t> clip_skip;  // SD3

  // These set the number of steps. They are the user's: SD3's scheduler shifts sigmas still.
  std::vector<double> sigmas;      // SD3; empty: the scheduler's own
  std::vector<int64_t> timesteps;  // PixArt-Sigma; empty: the scheduler's own

  std::vector<int64_t> skip_guidance_layers;  // SD3.5 skip-layer guidance; empty: off
  double skip_layer_guidance_scale = 2.8;
  double skip_layer_guidance_start = 0.01;  // fractions of the steps
  double skip_layer_guidance_stop = 0.2;

  bool use_resolution_binning = true;  // PixArt-Sigma
  bool clean_caption = false;          // PixArt-Sigma

  // A JSON object {"class": ..., fields}; fields not named are the checkpoint's, as in diffusers'
  // from_config. Empty: the checkpoint's scheduler.
  std::string scheduler;

  bool operator==(const Sampling&) const = default;
};

}  // namespace trireme
