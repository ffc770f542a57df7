#include "src/weights/component.h"

#include <fmt/format.h>

#include "parallel/error.h"
#include "src/weights/bitsandbytes.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

}  // namespace

Component::Component(std::string name, std::string class_name, fs::path folder, std::string variant,
                     std::string remedy)
    : name_(std::move(name)),
      class_name_(std::move(class_name)),
      folder_(std::move(folder)),
      variant_(std::move(variant)),
      remedy_(std::move(remedy)) {}

Component::Component(std::string name, fs::path file, FilePart part)
    : name_(std::move(name)),
      class_name_(trireme::class_name(part.kind)),
      folder_(std::move(file)),
      made_(std::move(part.config)),
      tensors_(std::move(part.tensors)) {}

Component::Component(std::string name, ComponentConfig config)
    : name_(std::move(name)), class_name_(config.class_name()), made_(std::move(config)) {}

ComponentConfig Component::config() const {
  if (made_) return *made_;
  std::string file = "config.json";
  if (name_.starts_with("scheduler")) file = "scheduler_config.json";
  if (name_.starts_with("tokenizer")) file = "tokenizer_config.json";
  return ComponentConfig::read(folder_ / file);
}

Component Component::of_variant(const std::string& variant) const {
  auto out = *this;
  out.variant_ = variant;
  return out;
}

bool Component::has_weights() const {
  return !name_.starts_with("tokenizer") && !name_.starts_with("scheduler") &&
         !name_.starts_with("feature_extractor");
}

WeightFiles Component::weight_files() const {
  if (tensors_)
    return {.files = {folder_}, .listed = {}, .place = folder_.string(), .map = tensors_};
  // transformers names its files so, and marks its configs with `architectures`.
  const bool transformers = config().has("architectures");
  return find_weight_files({.folder = folder_,
                            .stem = transformers ? "model" : "diffusion_pytorch_model",
                            .variant = variant_,
                            .remedy = remedy_});
}

std::shared_ptr<ComponentSource> Component::open(at::ScalarType dtype, at::Device device,
                                                 std::optional<double> activation_threshold) const {
  auto how = quantization_;
  const auto stored = stored_quantization(config());
  if (stored && how)
    throw Error(Exit::kBadJob,
                fmt::format("[model.components.{}.quantize] {} is quantized already -> what its "
                            "files hold is used as it is -> leave quantize out",
                            name_, folder_.string()));
  how.activation_threshold = activation_threshold;
  if (stored && stored->activation_threshold && activation_threshold)
    how.activation_threshold = stored->activation_threshold;
  return std::make_shared<ComponentSource>(weight_files(), dtype, device, how);
}

Component Component::quantized(Quantization how) const {
  auto copy = *this;
  copy.quantization_ = how;
  return copy;
}

}  // namespace trireme
