// The bytes of what a job writes for one sample: a picture, its latents or its embeddings. They
// depend on the job and the sample alone: no time, no host, no layout.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "src/config/job.h"
#include "src/config/prompts.h"
#include "src/pipelines/denoise.h"
#include "src/pipelines/recipe.h"

namespace trireme {

// pixels uint8 [height, width, 3], on the host. Carries A1111's `parameters` and a `trireme` text
// that is a job for this very picture.
std::string picture_file(const Job& job, const Sample& sample, const Recipe& recipe,
                         const std::string& scheduler, const at::Tensor& pixels);

// latents float32 [channels, h, w]
std::string latents_file(const Job& job, const Sample& sample, const Recipe& recipe,
                         const at::Tensor& latents);

// The row's embeddings, by diffusers' names and without the batch dimension.
std::string embeds_file(const Job& job, const Sample& sample, const Recipe& recipe,
                        const Conditioning& text);

}  // namespace trireme
