// The bytes of what a job writes for one sample: a picture, its latents or its embeddings. They
// depend on the job and the sample alone: no time, no host, no layout.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <string_view>

#include "src/config/job.h"
#include "src/config/prompts.h"
#include "src/output/metadata.h"
#include "src/output/recorder.h"
#include "src/pipelines/denoise.h"
#include "src/pipelines/recipe.h"
#include "src/render/inputs.h"

namespace trireme {

// A picture of the job's format. Carries A1111's `parameters` and a `trireme` text that is a job
// for this very picture. `pixels`: uint8 [height, width, 3].
std::string picture_file(const Job& job, const Sample& sample, const Recipe& recipe,
                         const std::string& scheduler, std::string_view pixels);

// latents float32 [channels, h, w]
std::string latents_file(const Job& job, const Sample& sample, const Recipe& recipe,
                         const at::Tensor& latents);

// The row's embeddings, by diffusers' names and without the batch dimension.
std::string embeds_file(const Job& job, const PromptRow& row, const Recipe& recipe,
                        const Conditioning& text);

// What a sample says of itself, in metadata.jsonl or in its tar.
MetadataRow metadata_row(const Job& job, const Sample& sample, const Recipe& recipe);
MetadataDetail detail_of(Metadata metadata);

// A sample with its file, and in a tar with what describes it.
Finished finished(const Inputs& inputs, const Sample& sample, const Recipe& recipe,
                  std::string file);

}  // namespace trireme
