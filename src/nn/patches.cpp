#include "src/nn/patches.h"

namespace trireme {

PatchEmbed::PatchEmbed(const Weights& weights, int64_t channels, int64_t width, int64_t patch)
    : map_(weights.read("weight", {width, channels, patch, patch}).flatten(1),
           weights.read("bias", {width})),
      patch_(patch) {}

at::Tensor PatchEmbed::operator()(const at::Tensor& latents) const {
  const auto batch = latents.size(0), channels = latents.size(1);
  const auto rows = latents.size(2) / patch_, columns = latents.size(3) / patch_;
  const auto patches = latents.reshape({batch, channels, rows, patch_, columns, patch_})
                           .permute({0, 2, 4, 1, 3, 5})
                           .reshape({batch, rows * columns, channels * patch_ * patch_});
  return map_(patches);
}

at::Tensor unpatchify(const at::Tensor& tokens, int64_t rows, int64_t columns, int64_t patch) {
  const auto batch = tokens.size(0), channels = tokens.size(2) / (patch * patch);
  return tokens.reshape({batch, rows, columns, patch, patch, channels})
      .permute({0, 5, 1, 3, 2, 4})
      .reshape({batch, channels, rows * patch, columns * patch});
}

}  // namespace trireme
