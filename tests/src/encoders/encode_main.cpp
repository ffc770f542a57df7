// The tests' door to the text encoders: `encode clip|t5 FOLDER IDS OUT DTYPE [CLIP_SKIP [int8|nf4|
// fp8]]` encodes the tensor "ids", with "mask" beside it or not, of one safetensors file into
// "hidden", and "pooled" of CLIP, of another.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>
#include <string>

#include "src/encoders/clip.h"
#include "src/encoders/t5.h"
#include "src/weights/repository.h"
#include "src/weights/safetensors_writer.h"
#include "tests/support/checkpoint.h"

namespace {

using namespace trireme;

constexpr double kT5ActivationThreshold = 6.0;

struct Options {
  std::string folder, dtype;
  int64_t clip_skip;
  Quantization how;
};

std::shared_ptr<ComponentSource> open(const Component& component, const Options& options,
                                      std::optional<double> threshold = {}) {
  return component.quantized(options.how).open(dtype_named(options.dtype), at::kCPU, threshold);
}

std::vector<NamedTensor> encode_clip(const Component& component, const Options& options,
                                     const at::Tensor& ids) {
  const auto source = open(component, options);
  const ClipTextModel model(ClipConfig::read(component.config()), Weights(source), Group());
  source->finish();
  const auto out = model(ids, options.clip_skip);
  return {{"hidden", out.hidden}, {"pooled", out.pooled}};
}

std::vector<NamedTensor> encode_t5(const Component& component, const Options& options,
                                   const at::Tensor& ids, const at::Tensor& mask) {
  const auto source = open(component, options, kT5ActivationThreshold);
  const T5Encoder encoder(T5Config::read(component.config()), Weights(source), Group());
  source->finish();
  return {{"hidden", encoder(ids, mask)}};
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 6)
    throw std::runtime_error("encode clip|t5 FOLDER IDS OUT DTYPE [CLIP_SKIP [QUANTIZE]]");
  const c10::InferenceMode inference;
  using Kind = Quantization::Kind;
  const std::map<std::string, Kind> kinds = {
      {"int8", Kind::kInt8}, {"nf4", Kind::kNf4}, {"fp8", Kind::kFp8}};
  const Options options{.folder = argv[2],
                        .dtype = argv[5],
                        .clip_skip = argc > 6 ? std::stoll(argv[6]) : 0,
                        .how = {.kind = argc > 7 ? kinds.at(argv[7]) : Kind::kNone}};
  const Component component("text_encoder", "", options.folder, "", "it is a test's");
  auto text = read_tensors(argv[3]);
  const auto out = std::string(argv[1]) == "clip"
                       ? encode_clip(component, options, text.at("ids"))
                       : encode_t5(component, options, text.at("ids"), text["mask"]);
  write_safetensors(argv[4], out);
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
