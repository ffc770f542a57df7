// What a quantized T5 encoder takes:
//   quantize_bench FOLDER --quantize int8 --tokens 256 --rounds 9    # and --plain-too, in turns
// Prints the resident bytes of the encoder, the peak while it was read, and the seconds of one
// text.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <map>

#include "src/encoders/t5.h"
#include "src/weights/repository.h"

namespace {

using namespace trireme;

struct Options {
  std::string folder, quantize = "int8", dtype = "float32";
  int64_t tokens = 256;
  int rounds = 0, threads = 0;
  bool plain_too = false;
};

// "VmRSS" or "VmHWM" of this process.
int64_t status_bytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  return 0;
}

T5Encoder load(const Options& options, Quantization how) {
  const std::map<std::string, at::ScalarType> types = {
      {"float32", at::kFloat}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}};
  const Component component("text_encoder", "", options.folder, "", "make it again");
  const auto source =
      component.quantized(how).open(types.at(options.dtype), at::kCPU, /*threshold=*/6.0);
  T5Encoder encoder(T5Config::read(component.config()), Weights(source), Group());
  source->finish({"encoder.embed_tokens.weight"});
  return encoder;
}

// Of all threads' CPUs, which other programs on the machine disturb less than the clock.
double seconds(const T5Encoder& encoder, const at::Tensor& ids) {
  const auto start = std::clock();
  encoder(ids);
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const Options& options) {
  const std::map<std::string, Quantization::Kind> kinds = {{"none", Quantization::Kind::kNone},
                                                           {"int8", Quantization::Kind::kInt8},
                                                           {"nf4", Quantization::Kind::kNf4},
                                                           {"fp8", Quantization::Kind::kFp8}};
  if (options.threads > 0) at::set_num_threads(options.threads);
  at::linear(at::ones({64, 64}), at::ones({64, 64}));  // starts threads and libraries
  mallopt(M_MMAP_THRESHOLD, 128 << 10);                // as the program does while it loads
  mallopt(M_TRIM_THRESHOLD, 128 << 10);
  const auto before = status_bytes("VmRSS");
  const auto start = std::chrono::steady_clock::now();
  const auto quantized = load(options, {.kind = kinds.at(options.quantize)});
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  const auto held = status_bytes("VmRSS") - before, peak = status_bytes("VmHWM") - before;
  constexpr double kMiB = 1 << 20;
  fmt::print("{}: {:.1f} MiB held, {:.1f} MiB more at the peak of loading, {:.1f} s\n",
             options.quantize, held / kMiB, (peak - held) / kMiB, taken.count());
  if (options.rounds == 0) return;
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // and while it works
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  const auto ids = at::arange(options.tokens, at::kLong).remainder(30000).unsqueeze(0);
  std::optional<T5Encoder> plain;
  if (options.plain_too) plain.emplace(load(options, {}));
  std::vector<double> ours, theirs;
  for (int round = 0; round <= options.rounds; ++round) {  // the first is a warm-up
    const double a = seconds(quantized, ids), b = plain ? seconds(*plain, ids) : 0;
    if (round > 0) ours.push_back(a), theirs.push_back(b);
  }
  fmt::print("{} tokens, median of {}: {:.3f} s", options.tokens, options.rounds, median(ours));
  if (plain)
    fmt::print(", plain {:.3f} s, {:.2f} times", median(theirs), median(ours) / median(theirs));
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures a quantized T5 encoder");
  app.add_option("folder", options.folder)->required();
  app.add_option("--quantize", options.quantize)
      ->check(CLI::IsMember({"none", "int8", "nf4", "fp8"}));
  app.add_option("--dtype", options.dtype)
      ->check(CLI::IsMember({"float32", "bfloat16", "float16"}));
  app.add_option("--tokens", options.tokens);
  app.add_option("--rounds", options.rounds);
  app.add_option("--threads", options.threads);
  app.add_flag("--plain-too", options.plain_too);
  CLI11_PARSE(app, argc, argv);
  try {
    const c10::InferenceMode inference;
    measure(options);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
  return 0;
}
