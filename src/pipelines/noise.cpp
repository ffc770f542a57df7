#include "src/pipelines/noise.h"

#include <ATen/CPUGeneratorImpl.h>

namespace trireme {

at::Tensor initial_noise(uint64_t seed, int64_t channels, int64_t height, int64_t width) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn({1, channels, height, width}, generator, at::kFloat);
}

}  // namespace trireme
