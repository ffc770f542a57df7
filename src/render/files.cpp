#include "src/render/files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "src/config/describe_job.h"
#include "src/image/parameters.h"
#include "src/image/picture.h"
#include "src/weights/safetensors_writer.h"

namespace trireme {
namespace {

// A job for this very sample, with the model's defaults written out, since those of a later
// release may be others.
std::string how_to_make(const Job& job, Sample sample, const Recipe& recipe) {
  auto& s = sample.sampling;
  s.height = recipe.asked.height;
  s.width = recipe.asked.width;
  if (s.sigmas.empty() && s.timesteps.empty()) s.num_inference_steps = recipe.num_inference_steps;
  s.guidance_scale = recipe.guidance.scale;
  s.max_sequence_length = recipe.max_sequence_length;
  return sample_to_json(job, sample).dump();
}

// The same for a row; what the job itself does not say is that of its model.
std::string how_to_make(Job job, PromptRow row, const Recipe& recipe) {
  auto& s = job.sampling;
  const auto settle = [](auto& common, auto& own, const auto& value) {
    if (!own) common = own = value;
  };
  settle(s.height, row.sampling.height, recipe.asked.height);
  settle(s.width, row.sampling.width, recipe.asked.width);
  if (row.sampling.sigmas.empty() && row.sampling.timesteps.empty())
    settle(s.num_inference_steps, row.sampling.num_inference_steps, recipe.num_inference_steps);
  settle(s.guidance_scale, row.sampling.guidance_scale, recipe.guidance.scale);
  settle(s.max_sequence_length, row.sampling.max_sequence_length, recipe.max_sequence_length);
  return row_to_json(job, row).dump();
}

PictureFormat format_of(OutputFormat format) {
  if (format == OutputFormat::kJpeg) return PictureFormat::kJpeg;
  return format == OutputFormat::kWebp ? PictureFormat::kWebp : PictureFormat::kPng;
}

void append(std::vector<NamedTensor>& tensors, const std::string& prefix,
            const TextEmbeddings& text) {
  tensors.push_back({prefix + "prompt_embeds", text.hidden.squeeze(0)});
  if (text.pooled.defined())
    tensors.push_back({prefix + "pooled_prompt_embeds", text.pooled.squeeze(0)});
  if (text.mask.defined())
    tensors.push_back({prefix + "prompt_attention_mask", text.mask.squeeze(0)});
}

}  // namespace

std::string picture_file(const Job& job, const Sample& sample, const Recipe& recipe,
                         const std::string& scheduler, std::string_view pixels) {
  const PictureFacts facts{.prompt = sample.prompt,
                           .negative_prompt = sample.sampling.negative_prompt,
                           .steps = recipe.num_inference_steps,
                           .sampler = scheduler,
                           .guidance_scale = recipe.guidance.scale,
                           .seed = std::to_string(sample.seed),
                           .height = recipe.asked.height,
                           .width = recipe.asked.width,
                           .model = job.model.path.written};
  std::vector<PictureText> texts;
  if (job.output.metadata != Metadata::kNone) {
    texts.push_back({"parameters", a1111_parameters(facts)});
    texts.push_back({"trireme", how_to_make(job, sample, recipe)});
  }
  return encode_picture(format_of(job.output.format),
                        {reinterpret_cast<const uint8_t*>(pixels.data()), pixels.size()},
                        {.height = recipe.asked.height, .width = recipe.asked.width}, texts,
                        job.output.quality);
}

std::string latents_file(const Job& job, const Sample& sample, const Recipe& recipe,
                         const at::Tensor& latents) {
  return safetensors_bytes(
      {{"latents", latents.to(at::kFloat)}},
      {{"index", std::to_string(sample.index)}, {"trireme", how_to_make(job, sample, recipe)}});
}

std::string embeds_file(const Job& job, const PromptRow& row, const Recipe& recipe,
                        const Conditioning& text) {
  std::vector<NamedTensor> tensors;
  append(tensors, "", text.positive);
  if (text.negative) append(tensors, "negative_", *text.negative);
  return safetensors_bytes(
      tensors, {{"row", std::to_string(row.row)}, {"trireme", how_to_make(job, row, recipe)}});
}

MetadataDetail detail_of(Metadata metadata) {
  if (metadata == Metadata::kNone) return MetadataDetail::kNone;
  return metadata == Metadata::kMinimal ? MetadataDetail::kMinimal : MetadataDetail::kFull;
}

MetadataRow metadata_row(const Job& job, const Sample& sample, const Recipe& recipe) {
  return {.prompt = sample.prompt,
          .negative_prompt = sample.sampling.negative_prompt,
          .seed = sample.seed,
          .height = recipe.asked.height,
          .width = recipe.asked.width,
          .num_inference_steps = recipe.num_inference_steps,
          .guidance_scale = recipe.guidance.scale,
          .model = job.model.path.written};
}

Finished finished(const Inputs& inputs, const Sample& sample, const Recipe& recipe,
                  std::string file) {
  const auto& job = inputs.job();
  const auto store = inputs.store_options();
  const auto index = inputs.index_of(sample);
  Finished out{.record = {.index = index}, .bytes = {}};
  const auto add = [&](const std::string& suffix, const std::string& bytes) {
    out.record.members.push_back({suffix, static_cast<int64_t>(bytes.size())});
    out.bytes += bytes;
  };
  if (store.container == StoreOptions::Container::kTar && job.output.metadata != Metadata::kNone) {
    auto row = metadata_row(job, sample, recipe);
    row.index = index;
    const auto name = fmt::format("{:08}.{}", index, store.extension);
    add("json", metadata_line(row, name, detail_of(job.output.metadata)));
  }
  if (job.output.captions) add("txt", sample.prompt);
  add(store.extension, file);
  return out;
}

}  // namespace trireme
