// How much memory a rank needs to decode a picture, and how long it takes:
//   mpirun -n 4 decode_bench --pixels 2048 --channels 32
// The decoder is the released models' (four levels of channels c, 2c, 4c, 4c) with random weights,
// over all ranks in bands of rows. Prints, for each rank, the most bytes of tensors there were at
// one time, without those that were there before.
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <fmt/format.h>
#include <mpi.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>

#include "parallel/transports/mpi.h"
#include "src/vae/decoder.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace {

using namespace trireme;

struct Options {
  int64_t pixels = 1024;
  int64_t channels = 128;
  int threads = 1;
};

// Every tensor's memory comes from here; its size stands before it.
class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    auto* block = static_cast<char*>(std::aligned_alloc(kAhead, (bytes / kAhead + 2) * kAhead));
    if (!block) throw std::bad_alloc();
    *reinterpret_cast<size_t*>(block) = bytes;
    held += bytes;
    most = std::max<size_t>(most, held);
    return {block + kAhead, block + kAhead, &release, at::Device(at::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  static inline std::atomic<size_t> held = 0, most = 0;

 private:
  static constexpr size_t kAhead = 64;
  static void release(void* memory) {
    if (!memory) return;
    auto* block = static_cast<char*>(memory) - kAhead;
    held -= *reinterpret_cast<size_t*>(block);
    std::free(block);
  }
};

void measure(const Options& options, const Group& world) {
  const c10::InferenceMode inference;
  at::set_num_threads(options.threads);
  const auto c = options.channels;
  const VaeDecoder decoder({.block_out_channels = {c, 2 * c, 4 * c, 4 * c},
                            .layers_per_block = 2,
                            .latent_channels = 16,
                            .post_quant_conv = false},
                           random_weights(), world);
  const auto side = options.pixels / 8;
  const auto latents = normals({1, 16, side, side});
  decoder(latents.narrow(2, 0, 8).narrow(3, 0, 8).contiguous());  // what is made once is made
  const size_t before = CountingAllocator::held;
  CountingAllocator::most = before;
  world.barrier();
  const auto start = std::chrono::steady_clock::now();
  const auto band = decoder(latents);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("rank {} of {}: {} of {} rows in {:.1f} s, {:.0f} MiB of tensors at most\n",
             world.rank(), world.size(), band.size(2), options.pixels, seconds.count(),
             static_cast<double>(CountingAllocator::most - before) / (1 << 20));
  world.barrier();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures the decode of a picture in bands of rows");
  app.add_option("--pixels", options.pixels);
  app.add_option("--channels", options.channels);
  app.add_option("--threads", options.threads);
  CLI11_PARSE(app, argc, argv);
  CountingAllocator counting;
  c10::SetCPUAllocator(&counting, /*priority=*/255);
  MPI_Init(&argc, &argv);
  measure(options, Group(mpi_world({})));
  MPI_Finalize();
  return 0;
}
