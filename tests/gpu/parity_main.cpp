// Each component of a checkpoint on a device and on the CPU, in float32: `gpu_parity FOLDER DEVICE`
// prints a line of JSON for each, with the largest difference as a part of the largest number, and
// the bar below which it must lie. The transformer reads the CPU's embeddings on both.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <fmt/format.h>

#include <string>

#include "parallel/device.h"
#include "src/pipelines/components.h"
#include "tests/src/transformers/predict.h"
#include "tests/support/tensors.h"

namespace {

using namespace trireme;

constexpr double kBar = 1e-4;
constexpr int64_t kSide = 16;  // of the latents

struct Outputs {
  TextEmbeddings text;
  at::Tensor prediction, image;
};

TextEmbeddings encode(const ComponentLoader& loader) {
  const std::string text = "a large red star on a black background";
  return (*loader.text_encoders({}))(
      {.text = text, .text_2 = text, .text_3 = text, .max_sequence_length = 16});
}

TextEmbeddings on(at::Device device, const TextEmbeddings& text) {
  const auto move = [&](const at::Tensor& x) { return x.defined() ? x.to(device) : x; };
  return {move(text.hidden), move(text.pooled), move(text.mask)};
}

at::Tensor denoise(const ComponentLoader& loader, const TextEmbeddings& text, at::Device device) {
  const auto denoiser = loader.denoiser({}, BeyondTable::kRefuse);
  const auto latents = normals({1, denoiser->latent_channels(), kSide, kSide}, 1).to(device);
  const auto batch =
      denoiser->begin(text, {900, 500}, {.batch = 1, .height = kSide, .width = kSide});
  return at::cat(
      {predict(*denoiser, {}, *batch, latents, 0), predict(*denoiser, {}, *batch, latents, 1)});
}

at::Tensor decode(const ComponentLoader& loader, int64_t channels, at::Device device) {
  return loader.vae({}, false)(normals({1, channels, kSide, kSide}, 2).to(device));
}

// False if it is over the bar; a NaN is.
bool compare(const std::string& part, const at::Tensor& actual, const at::Tensor& expected) {
  const auto a = actual.to(at::kCPU, at::kDouble), e = expected.to(at::kCPU, at::kDouble);
  const double apart = (a - e).abs().max().item<double>() / e.abs().max().item<double>();
  const bool good = apart <= kBar;
  fmt::print("{{\"part\": \"{}\", \"apart\": {:.3g}, \"bar\": {:g}, \"good\": {}}}\n", part,
             std::isnan(apart) ? 1e9 : apart, kBar, good);
  return good;
}

bool run(const std::string& folder, at::Device device) {
  const auto repository = Repository::open(folder);
  const ComponentLoader host(repository, at::kFloat, at::kCPU);
  const ComponentLoader there(repository, at::kFloat, device);
  const auto text = encode(host), text_there = encode(there);
  bool good = compare("text encoders", text_there.hidden, text.hidden);
  if (text.pooled.defined()) good &= compare("pooled text", text_there.pooled, text.pooled);
  const auto prediction = denoise(host, text, at::kCPU);
  good &= compare("transformer", denoise(there, on(device, text), device), prediction);
  const auto channels = prediction.size(1);
  good &= compare("VAE", decode(there, channels, device), decode(host, channels, at::kCPU));
  return good;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw Error(Exit::kUsage, "gpu_parity FOLDER DEVICE");
  const at::Device device{std::string(argv[2])};
  if (device.is_cuda()) CudaRuntime::open().use(device.has_index() ? device.index() : 0);
  // Else ten bits of a product's numbers are looked at, and nobody could tell a mistake from that.
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  const c10::InferenceMode inference;
  return run(argv[1], device) ? 0 : 1;
} catch (const trireme::Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return static_cast<int>(error.exit());
}
