#include "src/pipelines/noise.h"

#include <ATen/CPUGeneratorImpl.h>

namespace trireme {

Noise::Noise(const std::vector<uint64_t>& seeds) {
  for (const auto seed : seeds)
    generators_.push_back(at::make_generator<at::CPUGeneratorImpl>(seed));
}

at::Tensor Noise::draw(int64_t channels, int64_t height, int64_t width) {
  std::vector<at::Tensor> draws;
  for (const auto& generator : generators_)
    draws.push_back(at::randn({1, channels, height, width}, generator, at::kFloat));
  return at::cat(draws);
}

}  // namespace trireme
