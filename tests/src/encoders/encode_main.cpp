// The tests' door to the text encoders: `encode clip|t5 FOLDER IDS OUT DTYPE [CLIP_SKIP]` encodes
// the tensor "ids", with "mask" beside it or not, of one safetensors file into "hidden", and
// "pooled" of CLIP, of another.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <string>

#include "src/encoders/clip.h"
#include "src/encoders/t5.h"
#include "src/weights/safetensors_writer.h"
#include "tests/support/checkpoint.h"

namespace {

using namespace trireme;

std::vector<NamedTensor> encode_clip(const Checkpoint& checkpoint, const at::Tensor& ids,
                                     int64_t clip_skip) {
  const ClipTextModel model(ClipConfig::read(checkpoint.config), checkpoint.weights, Group());
  const auto out = model(ids, clip_skip);
  return {{"hidden", out.hidden}, {"pooled", out.pooled}};
}

std::vector<NamedTensor> encode_t5(const Checkpoint& checkpoint, const at::Tensor& ids,
                                   const at::Tensor& mask) {
  const T5Encoder encoder(T5Config::read(checkpoint.config), checkpoint.weights, Group());
  return {{"hidden", encoder(ids, mask)}};
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 6) throw std::runtime_error("encode clip|t5 FOLDER IDS OUT DTYPE [CLIP_SKIP]");
  const c10::InferenceMode inference;
  const auto checkpoint = read_checkpoint(argv[2], dtype_named(argv[5]));
  auto text = read_tensors(argv[3]);
  const auto out = std::string(argv[1]) == "clip"
                       ? encode_clip(checkpoint, text.at("ids"), argc > 6 ? std::stoll(argv[6]) : 0)
                       : encode_t5(checkpoint, text.at("ids"), text["mask"]);
  write_safetensors(argv[4], out);
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
