// The tests' door to the VAE: `vae_decode FOLDER LATENTS IMAGE DTYPE THREADS` decodes the tensor
// "latents" of one safetensors file into the tensor "image" of another. Then every line on standard
// input is another decode, answered by its seconds: so a script can take turns with diffusers.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <iostream>
#include <string>

#include "src/vae/decoder.h"
#include "src/weights/safetensors_writer.h"
#include "tests/support/checkpoint.h"

int main(int argc, char** argv) try {
  using namespace trireme;
  if (argc != 6) throw std::runtime_error("vae_decode FOLDER LATENTS IMAGE DTYPE THREADS");
  at::set_num_threads(std::stoi(argv[5]));
  const c10::InferenceMode inference;
  const auto checkpoint = read_checkpoint(argv[1], dtype_named(argv[4]));
  const VaeDecoder decoder(VaeConfig::read(checkpoint.config), checkpoint.weights);
  const auto latents = read_tensors(argv[2]).at("latents");
  write_safetensors(argv[3], {{"image", decoder(latents)}});
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    const auto image = decoder(latents);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << seconds.count() << std::endl;
  }
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
