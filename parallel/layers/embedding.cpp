#include "parallel/layers/embedding.h"

namespace trireme {

VocabEmbedding::VocabEmbedding(const Weights& weights, const std::string& name, const Group& group,
                               int64_t vocab, int64_t width)
    : held_(Split(vocab, group.size())[group.rank()]), group_(group) {
  rows_ = weights.read(name, {vocab, width}, 0, held_);
}

at::Tensor VocabEmbedding::operator()(const at::Tensor& ids) const {
  if (group_.alone()) return at::embedding(rows_, ids);
  const auto here = ids.ge(held_.begin).logical_and(ids.lt(held_.end()));
  if (held_.length == 0) {
    auto sizes = ids.sizes().vec();
    sizes.push_back(rows_.size(1));
    return group_.all_reduce(at::zeros(sizes, rows_.options()));
  }
  const auto local = (ids - held_.begin).clamp(0, held_.length - 1);
  return group_.all_reduce(at::embedding(rows_, local).mul(here.unsqueeze(-1)));
}

}  // namespace trireme
