// How fast a rank loads its share of a checkpoint, and with how much memory:
//   load_bench FILE --rank 1 --ranks 4 --dtype bfloat16
// Matrices are cut as a model cuts them, by turns along their rows and their columns; the rest is
// read whole. Prints the bytes of the share, the seconds, and the peak of resident memory above
// what the process had before, which should be the share and a few MiB.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "parallel/split.h"
#include "src/weights/numbers.h"
#include "src/weights/safetensors_file.h"

namespace {

using namespace trireme;

struct Options {
  std::string file;
  int rank = 0;
  int ranks = 1;
  std::string dtype = "float32";
  int threads = 0;
};

int64_t peak_bytes() {
  struct rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

// As even as whole rows allow; written out here so that the bench needs nothing but the loader.
Part part_of(int64_t units, int rank, int ranks) {
  const int64_t begin = units * rank / ranks;
  return {begin, units * (rank + 1) / ranks - begin};
}

std::vector<at::Tensor> load(const SafetensorsFile& file, const Options& options,
                             at::ScalarType type) {
  std::vector<at::Tensor> out;
  int64_t matrices = 0;
  for (const auto& tensor : file.header().tensors) {
    const int64_t dim = tensor.shape.size() == 2 ? matrices++ % 2 : 0;
    const int64_t size = tensor.shape.empty() ? 1 : tensor.shape[dim];
    const bool cut = tensor.shape.size() == 2;
    const Part part = cut ? part_of(size, options.rank, options.ranks) : Part{0, size};
    out.push_back(file.read(tensor, dim, part, landing_type(tensor.type, type)));
  }
  return out;
}

void measure(const Options& options) {
  const std::map<std::string, at::ScalarType> types = {
      {"float32", at::kFloat}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}};
  if (options.threads > 0) at::set_num_threads(options.threads);
  at::parallel_for(0, 64, 1, [](int64_t, int64_t) {});  // starts the threads: not part of loading
  const SafetensorsFile file(options.file);
  const int64_t before = peak_bytes();
  const auto start = std::chrono::steady_clock::now();
  const auto tensors = load(file, options, types.at(options.dtype));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const int64_t peak = peak_bytes() - before;
  int64_t share = 0;
  for (const auto& tensor : tensors) share += static_cast<int64_t>(tensor.nbytes());
  constexpr double kMiB = 1 << 20;
  fmt::print(
      "rank {} of {}: {:.1f} MiB in {:.3f} s, peak above the start {:.1f} MiB, beyond the "
      "share {:.1f} MiB, {} threads\n",
      options.rank, options.ranks, share / kMiB, seconds.count(), peak / kMiB,
      (peak - share) / kMiB, at::get_num_threads());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures the loading of a rank's share of a safetensors file");
  app.add_option("file", options.file)->required();
  app.add_option("--rank", options.rank);
  app.add_option("--ranks", options.ranks);
  app.add_option("--dtype", options.dtype)
      ->check(CLI::IsMember({"float32", "bfloat16", "float16"}));
  app.add_option("--threads", options.threads);
  CLI11_PARSE(app, argc, argv);
  try {
    measure(options);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
  return 0;
}
