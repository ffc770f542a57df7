#include "src/pipelines/components.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/transformers/pixart.h"
#include "src/transformers/sd3.h"

namespace trireme {
namespace {

// What older files carry beside the weights, and what rendering does not need.
const std::vector<std::string> kClipIgnored = {"*position_ids", "*logit_scale"};
const std::vector<std::string> kT5Ignored = {"encoder.embed_tokens.weight", "shared.weight"};
const std::vector<std::string> kTransformerIgnored = {};
const std::vector<std::string> kVaeIgnored = {"encoder.*", "quant_conv.*"};

// The magnitude from which on a column of T5's activations is no int8 (LLM.int8()).
constexpr double kT5ActivationThreshold = 6.0;

}  // namespace

Family family_of(const Repository& repository) {
  const auto name = repository.pipeline_class();
  if (name == "StableDiffusion3Pipeline") return Family::kSd3;
  if (name == "PixArtSigmaPipeline") return Family::kPixArtSigma;
  throw Error(
      Exit::kBadData,
      fmt::format("[model.path] {}: {} -> StableDiffusion3Pipeline or PixArtSigmaPipeline -> "
                  "a checkpoint of another family",
                  repository.name(), name));
}

nlohmann::json scheduler_config(const Repository& repository) {
  return repository.required("scheduler").config().values();
}

std::unique_ptr<TextEncoders> ComponentLoader::text_encoders(const Group& tensor) const {
  return family_of(repository_) == Family::kSd3 ? sd3_text_encoders(tensor)
                                                : pixart_text_encoders(tensor);
}

std::unique_ptr<TextEncoders> ComponentLoader::sd3_text_encoders(const Group& tensor) const {
  std::optional<Sd3TextEncoders::T5> t5_parts;
  if (repository_.component("text_encoder_3"))
    t5_parts.emplace(Sd3TextEncoders::T5{tokenizer("tokenizer_3"), t5("text_encoder_3", tensor)});
  const auto width =
      repository_.required("transformer").config().get<int64_t>("joint_attention_dim");
  return std::make_unique<Sd3TextEncoders>(clip("text_encoder", "tokenizer", tensor),
                                           clip("text_encoder_2", "tokenizer_2", tensor),
                                           std::move(t5_parts), width, device_);
}

std::unique_ptr<TextEncoders> ComponentLoader::pixart_text_encoders(const Group& tensor) const {
  return std::make_unique<PixArtTextEncoders>(tokenizer("tokenizer"), t5("text_encoder", tensor),
                                              device_);
}

Sd3TextEncoders::Clip ComponentLoader::clip(const std::string& encoder,
                                            const std::string& tokenizer_name,
                                            const Group& tensor) const {
  const auto component = repository_.required(encoder);
  const auto source = component.open(dtype_, device_);
  ClipTextModel model(ClipConfig::read(component.config()), Weights(source), tensor);
  source->finish(kClipIgnored);
  return {tokenizer(tokenizer_name), std::move(model)};
}

T5Encoder ComponentLoader::t5(const std::string& encoder, const Group& tensor) const {
  const auto component = repository_.required(encoder);
  const auto source = component.open(dtype_, device_, kT5ActivationThreshold);
  T5Encoder model(T5Config::read(component.config()), Weights(source), tensor);
  source->finish(kT5Ignored);
  return model;
}

std::shared_ptr<const Tokenizer> ComponentLoader::tokenizer(const std::string& name) const {
  return load_tokenizer(repository_.required(name).folder());
}

std::unique_ptr<Denoiser> ComponentLoader::denoiser(const Mesh& mesh) const {
  const auto component = repository_.required("transformer");
  const auto source = component.open(dtype_, device_);
  std::unique_ptr<Denoiser> model;
  if (family_of(repository_) == Family::kSd3) {
    model = std::make_unique<Sd3Transformer>(Sd3Config::read(component.config()), Weights(source),
                                             mesh, dtype_);
  } else {
    model = std::make_unique<PixArtTransformer>(PixArtConfig::read(component.config()),
                                                Weights(source), mesh, dtype_);
  }
  source->finish(kTransformerIgnored);
  return model;
}

VaeDecoder ComponentLoader::vae(const Group& patch, bool tiling) const {
  const auto component = repository_.required("vae");
  const auto source = component.open(dtype_, device_);
  VaeDecoder decoder(VaeConfig::read(component.config()), Weights(source), patch, tiling);
  source->finish(kVaeIgnored);
  return decoder;
}

}  // namespace trireme
