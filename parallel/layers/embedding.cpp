#include "parallel/layers/embedding.h"

namespace trireme {

VocabEmbedding::VocabEmbedding(const Weights& weights, const std::string& name, const Group& group,
                               int64_t vocab, int64_t width, const Quantization& how)
    : width_(width),
      numbers_(weights.options(name)),
      held_(Split(vocab, group.size())[group.rank()]),
      group_(group) {
  if (how) {
    codes_ = read_quantized({weights, name, vocab, width, {.part = held_, .group = group}}, how);
  } else {
    rows_ = weights.read(name, {vocab, width}, 0, held_);
  }
}

at::Tensor VocabEmbedding::look_up(const at::Tensor& ids) const {
  return codes_ ? codes_->look_up(ids, c10::typeMetaToScalarType(numbers_.dtype()))
                : at::embedding(rows_, ids);
}

at::Tensor VocabEmbedding::operator()(const at::Tensor& ids) const {
  if (group_.alone()) return look_up(ids);
  const auto here = ids.ge(held_.begin).logical_and(ids.lt(held_.end()));
  if (held_.length == 0) {
    auto sizes = ids.sizes().vec();
    sizes.push_back(width_);
    return group_.all_reduce(at::zeros(sizes, numbers_));
  }
  const auto local = (ids - held_.begin).clamp(0, held_.length - 1);
  return group_.all_reduce(look_up(local).mul(here.unsqueeze(-1)));
}

}  // namespace trireme
