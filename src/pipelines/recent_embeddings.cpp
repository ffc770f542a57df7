#include "src/pipelines/recent_embeddings.h"

namespace trireme {
namespace {

int64_t bytes_of(const TextEmbeddings& text) {
  int64_t bytes = 0;
  for (const auto* x : {&text.hidden, &text.pooled, &text.mask})
    if (x->defined()) bytes += static_cast<int64_t>(x->nbytes());
  return bytes;
}

}  // namespace

TextEmbeddings RecentEmbeddings::operator()(const Prompt& prompt) {
  if (const auto found = by_prompt_.find(prompt); found != by_prompt_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return found->second->text;
  }
  flops_ += pipeline_.encode_flops(prompt);
  recent_.push_front({prompt, pipeline_.encode(prompt)});
  by_prompt_[prompt] = recent_.begin();
  bytes_ += bytes_of(recent_.front().text);
  for (; bytes_ > kept_bytes_ && recent_.size() > 1; recent_.pop_back()) {
    bytes_ -= bytes_of(recent_.back().text);
    by_prompt_.erase(recent_.back().prompt);
  }
  return recent_.front().text;
}

Conditioning RecentEmbeddings::operator()(const Sample& sample, const Recipe& recipe) {
  Conditioning text{(*this)(positive_prompt(sample, recipe)), std::nullopt};
  if (recipe.guidance.on()) text.negative = (*this)(negative_prompt(sample, recipe));
  return text;
}

}  // namespace trireme
