#include "src/weights/other_models.h"

#include <algorithm>
#include <array>

namespace trireme {
namespace {

constexpr const char* kAnother = "another model, which this program does not draw";
constexpr const char* kFolder =
    "diffusers' own names: give its folder, where config.json stands, as a component's path";

struct Sign {
  const char* part;  // of a tensor's name
  const char* name;
  const char* remedy;
};

// The first that fits, so what is more special stands before what others have too.
constexpr std::array<Sign, 20> kSigns = {{
    {".lora_A.", "a LoRA", "merge it into a checkpoint first: diffusers' fuse_lora"},
    {".lora_down.", "a LoRA", "merge it into a checkpoint first: diffusers' fuse_lora"},
    {".lora.down.", "a LoRA", "merge it into a checkpoint first: diffusers' fuse_lora"},
    {"lora_unet_", "a LoRA", "merge it into a checkpoint first: diffusers' fuse_lora"},
    {"controlnet_blocks.", "a ControlNet", kAnother},
    {"control_model.", "a ControlNet", kAnother},
    {"conditioner.embedders.", "an SDXL checkpoint", kAnother},
    {"cond_stage_model.", "a Stable Diffusion 1 or 2 checkpoint", kAnother},
    {"diffusion_model.input_blocks.", "a UNet of Stable Diffusion 1, 2 or SDXL", kAnother},
    {"double_blocks.0.img_attn", "a FLUX transformer", kAnother},
    {"double_layers.0.", "an AuraFlow transformer", kAnother},
    {"caption_projection.linear_1.", "a PixArt transformer", kFolder},
    {"attn.add_q_proj.", "an SD3 transformer", kFolder},
    {"t_block.1.weight", "an original PixArt transformer",
     "make a folder of it with diffusers' scripts/convert_pixart_sigma_to_diffusers.py"},
    {"cross_attn.q_linear.", "a Sana or PixArt transformer", kAnother},
    {"time_embedding.linear_1.", "a UNet under diffusers' names", kAnother},
    {"decoder.block.0.layer.", "a whole T5, decoder included",
     "the encoder alone is needed, as t5xxl_fp16.safetensors has it"},
    {"prompt_embeds", "text embeddings", "no weights, but what a job's encode stage writes"},
    {"latents", "latents", "no weights, but what a job's denoise stage writes"},
    {"emb_params", "a textual inversion", kAnother},
}};

}  // namespace

std::optional<OtherModel> other_model(const std::vector<StoredTensor>& tensors) {
  for (const auto& sign : kSigns) {
    const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& tensor) {
      return tensor.name.find(sign.part) != std::string::npos;
    });
    if (found != tensors.end()) return OtherModel{sign.name, found->name, sign.remedy};
  }
  return std::nullopt;
}

}  // namespace trireme
