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

// What one component gives must be what another takes.
void check_width(const Component& from, const std::string& gives, int64_t given,
                 const Component& to, const std::string& takes) {
  const auto config = to.config();
  const auto wanted = config.get<int64_t>(takes);
  if (given == wanted) return;
  throw Error(Exit::kBadData,
              fmt::format("[model] {} of {} is {} -> {} of {} is {}, and they must be equal -> "
                          "components of different models",
                          gives, from.config().place(), given, takes, config.place(), wanted));
}

int64_t number(const Component& component, const std::string& key) {
  return component.config().get<int64_t>(key);
}

void check_sd3_texts(const Repository& repository, const Component& transformer) {
  const auto clip = repository.required("text_encoder"),
             big = repository.required("text_encoder_2");
  check_width(big, "projection_dim with CLIP-L's",
              number(clip, "projection_dim") + number(big, "projection_dim"), transformer,
              "pooled_projection_dim");
  std::vector<std::string> tokenizers = {"tokenizer", "tokenizer_2"};
  if (const auto t5 = repository.component("text_encoder_3")) {
    check_width(*t5, "d_model", number(*t5, "d_model"), transformer, "joint_attention_dim");
    tokenizers.push_back("tokenizer_3");
  }
  for (const auto& name : tokenizers) repository.required(name);
}

}  // namespace

void check_components(const Repository& repository, const Parts& parts) {
  const auto transformer = repository.required("transformer");
  if (parts.vae) {
    const auto vae = repository.required("vae");
    check_width(vae, "latent_channels", number(vae, "latent_channels"), transformer, "in_channels");
  }
  repository.required("scheduler");
  if (!parts.text) return;
  if (family_of(repository) == Family::kSd3) return check_sd3_texts(repository, transformer);
  const auto t5 = repository.required("text_encoder");
  check_width(t5, "d_model", number(t5, "d_model"), transformer, "caption_channels");
  repository.required("tokenizer");
}

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

std::shared_ptr<ComponentSource> ComponentLoader::open(
    const Component& component, std::optional<double> activation_threshold) const {
  auto source = component.open(dtype_, device_, activation_threshold);
  source->keep_in(residence_);
  return source;
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
  const auto source = open(component);
  ClipTextModel model(ClipConfig::read(component.config()), Weights(source), tensor);
  source->finish(kClipIgnored);
  return {tokenizer(tokenizer_name), std::move(model)};
}

T5Encoder ComponentLoader::t5(const std::string& encoder, const Group& tensor) const {
  const auto component = repository_.required(encoder);
  const auto source = open(component, kT5ActivationThreshold);
  T5Encoder model(T5Config::read(component.config()), Weights(source), tensor);
  source->finish(kT5Ignored);
  return model;
}

std::shared_ptr<const Tokenizer> ComponentLoader::tokenizer(const std::string& name) const {
  return load_tokenizer(repository_.required(name).folder());
}

std::unique_ptr<Denoiser> ComponentLoader::denoiser(const Mesh& mesh, BeyondTable beyond) const {
  const auto component = repository_.required("transformer");
  const auto source = open(component);
  std::unique_ptr<Denoiser> model;
  if (family_of(repository_) == Family::kSd3) {
    model = std::make_unique<Sd3Transformer>(Sd3Config::read(component.config()), Weights(source),
                                             mesh, dtype_, beyond);
  } else {
    model = std::make_unique<PixArtTransformer>(PixArtConfig::read(component.config()),
                                                Weights(source), mesh, dtype_);
  }
  source->finish(kTransformerIgnored);
  return model;
}

VaeDecoder ComponentLoader::vae(const Group& patch, bool tiling) const {
  const auto component = repository_.required("vae");
  const auto source = open(component);
  VaeDecoder decoder(VaeConfig::read(component.config()), Weights(source), patch, tiling);
  source->finish(kVaeIgnored);
  return decoder;
}

}  // namespace trireme
