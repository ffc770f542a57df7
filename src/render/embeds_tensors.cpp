#include "src/render/embeds_tensors.h"

#include <fmt/format.h>

namespace trireme {

std::vector<EmbedsTensor> embeds_tensors(const ModelFacts& model, const std::string& prefix) {
  std::vector<EmbedsTensor> tensors{{prefix + "prompt_embeds", 2, model.text_width}};
  if (model.pooled_width > 0)
    tensors.push_back({prefix + "pooled_prompt_embeds", 1, model.pooled_width});
  if (model.family == Family::kPixArtSigma)
    tensors.push_back({prefix + "prompt_attention_mask", 1, 0});
  return tensors;
}

bool fits(const StoredTensor& stored, const EmbedsTensor& wanted) {
  const auto& shape = stored.shape;
  const bool row = shape.size() == wanted.dims;
  const bool batch_of_one = shape.size() == wanted.dims + 1 && shape[0] == 1;
  return (row || batch_of_one) && (wanted.width == 0 || shape.back() == wanted.width);
}

std::string shape_text(const EmbedsTensor& wanted) {
  if (wanted.dims == 2) return fmt::format("[tokens, {}]", wanted.width);
  return wanted.width > 0 ? fmt::format("[{}]", wanted.width) : "[tokens]";
}

at::Tensor as_batch_of_one(const at::Tensor& x, size_t dims) {
  return x.dim() == static_cast<int64_t>(dims) ? x.unsqueeze(0) : x;
}

}  // namespace trireme
