// The bytes of what a job writes for one sample: a picture, its latents or its embeddings. They
// depend on the job and the sample alone: no time, no host, no layout.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "src/config/job.h"
#include "src/config/prompts.h"
#include "src/image/png.h"
#include "src/pipelines/denoise.h"
#include "src/pipelines/recipe.h"

namespace trireme {

// A PNG that waits for its pixels. Carries A1111's `parameters` and a `trireme` text that is a job
// for this very picture.
PngWriter picture_writer(const Job& job, const Sample& sample, const Recipe& recipe,
                         const std::string& scheduler, PngWriter::Sink sink);

// latents float32 [channels, h, w]
std::string latents_file(const Job& job, const Sample& sample, const Recipe& recipe,
                         const at::Tensor& latents);

// The row's embeddings, by diffusers' names and without the batch dimension.
std::string embeds_file(const Job& job, const PromptRow& row, const Recipe& recipe,
                        const Conditioning& text);

}  // namespace trireme
