// The noise of a batch. A sample's draws depend on its own seed and size alone: float32 on the
// host, whatever rank, batch, dtype or device goes on with them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace trireme {

class Noise {
 public:
  // One generator a sample, as torch.Generator("cpu").manual_seed(seed).
  explicit Noise(const std::vector<uint64_t>& seeds);

  // The next draw of every sample, each as torch.randn of [1, channels, height, width]:
  // float32 [samples, channels, height, width]
  at::Tensor draw(int64_t channels, int64_t height, int64_t width);

 private:
  std::vector<at::Generator> generators_;
};

}  // namespace trireme
