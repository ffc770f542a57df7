#include "src/weights/sd3_files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/error.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

// The published file that holds the part.
std::string published_file(PartKind kind) {
  switch (kind) {
    case PartKind::kTransformer:
      return "sd3.5_medium.safetensors";
    case PartKind::kVae:
      return "vae.safetensors";
    case PartKind::kClipL:
      return "clip_l.safetensors";
    case PartKind::kClipG:
      return "clip_g.safetensors";
    case PartKind::kT5:
      break;
  }
  return "t5xxl_fp16.safetensors";
}

bool is_sd3(const fs::path& snapshot) {
  std::error_code ignored;
  const auto index = snapshot / "model_index.json";
  // A download of the tokenizers alone has no index; T5's as the third of them is SD3's way.
  if (!fs::exists(index, ignored)) return fs::is_directory(snapshot / "tokenizer_3", ignored);
  try {
    return ComponentConfig::read(index).class_name() == "StableDiffusion3Pipeline";
  } catch (const Error&) {
    return false;  // somebody else's damage
  }
}

bool holds_tokenizer(const fs::path& folder) {
  std::error_code ignored;
  for (const auto* file : {"tokenizer.json", "vocab.json", "spiece.model"})
    if (fs::exists(folder / file, ignored)) return true;
  return false;
}

}  // namespace

std::string component_of(PartKind kind) {
  switch (kind) {
    case PartKind::kTransformer:
      return "transformer";
    case PartKind::kVae:
      return "vae";
    case PartKind::kClipL:
      return "text_encoder";
    case PartKind::kClipG:
      return "text_encoder_2";
    case PartKind::kT5:
      break;
  }
  return "text_encoder_3";
}

std::optional<PartKind> part_kind(const std::string& component, const std::string& pipeline) {
  if (component == "vae") return PartKind::kVae;
  if (pipeline == "PixArtSigmaPipeline")
    return component == "text_encoder" ? std::optional(PartKind::kT5) : std::nullopt;
  for (const auto kind :
       {PartKind::kTransformer, PartKind::kClipL, PartKind::kClipG, PartKind::kT5}) {
    if (component == component_of(kind)) return kind;
  }
  return std::nullopt;
}

ComponentConfig sd3_index(const fs::path& file) {
  nlohmann::json index = {{"_class_name", "StableDiffusion3Pipeline"},
                          {"scheduler", {"diffusers", "FlowMatchEulerDiscreteScheduler"}},
                          {"tokenizer", {"transformers", "CLIPTokenizer"}},
                          {"tokenizer_2", {"transformers", "CLIPTokenizer"}},
                          {"tokenizer_3", {"transformers", "T5TokenizerFast"}}};
  for (const auto kind : {PartKind::kTransformer, PartKind::kVae, PartKind::kClipL,
                          PartKind::kClipG, PartKind::kT5}) {
    index[component_of(kind)] = {"original", std::string(class_name(kind))};
  }
  return {std::move(index), file.string()};
}

ComponentConfig sd3_scheduler(const fs::path& file) {
  return {nlohmann::json{{"_class_name", "FlowMatchEulerDiscreteScheduler"},
                         {"num_train_timesteps", 1000},
                         {"shift", 3.0}},
          file.string()};
}

fs::path find_sd3_tokenizer(const HubCache& hub, const std::string& name) {
  for (const auto& snapshot : hub.snapshots()) {
    if (holds_tokenizer(snapshot / name) && is_sd3(snapshot)) return snapshot / name;
  }
  throw Error(
      Exit::kMissingInput,
      fmt::format("[model] {0}: single files hold no tokenizers, and no SD3 repository in the "
                  "Hugging Face cache {1} has one -> it is needed -> set model.components.{0}.path "
                  "to its folder, or fetch them with `hf download "
                  "stabilityai/stable-diffusion-3-medium-diffusers --include 'tokenizer*/*'`",
                  name, hub.folder().string()));
}

void require_transformer(const SingleFile& file) {
  if (file.find(PartKind::kTransformer) != nullptr) return;
  throw Error(
      Exit::kBadData,
      fmt::format("[model] {}: it holds {} -> model.path needs a transformer "
                  "(joint_blocks.*) -> a part goes under model.components.{}.path",
                  file.path.string(), file.contents(), component_of(file.parts.front().kind)));
}

void refuse_missing_part(const SingleFile& file, const std::string& component, PartKind kind) {
  const auto add =
      fmt::format("model.components.{}: {{path: {}}}", component, published_file(kind));
  throw Error(Exit::kMissingInput,
              fmt::format("[model] {}: no {} ({}) in it, only {} -> SD3 needs it -> add {}{}",
                          file.path.string(), component, described(kind), file.contents(), add,
                          kind == PartKind::kT5 ? ", or leave it out: text_encoder_3: null" : ""));
}

void refuse_other_part(const SingleFile& file, const std::string& component,
                       std::optional<PartKind> kind) {
  const std::string needed =
      kind ? fmt::format("{} is needed", described(*kind)) : "a folder is needed";
  throw Error(Exit::kBadData,
              fmt::format("[model.components.{}] {}: it holds {} -> {} -> perhaps it is for {}",
                          component, file.path.string(), file.contents(), needed,
                          component_of(file.parts.front().kind)));
}

}  // namespace trireme
