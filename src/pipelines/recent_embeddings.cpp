#include "src/pipelines/recent_embeddings.h"

namespace trireme {
namespace {

// 16 prompts of T5-XXL with 512 tokens are 134 MB in float32.
constexpr size_t kKept = 16;

}  // namespace

TextEmbeddings RecentEmbeddings::operator()(const Prompt& prompt) {
  if (const auto found = recent_.find(prompt); found != recent_.end()) return found->second;
  if (recent_.size() >= kKept) recent_.clear();
  flops_ += pipeline_.encode_flops(prompt);
  return recent_[prompt] = pipeline_.encode(prompt);
}

Conditioning RecentEmbeddings::operator()(const Sample& sample, const Recipe& recipe) {
  Conditioning text{(*this)(positive_prompt(sample, recipe)), std::nullopt};
  if (recipe.guidance.on()) text.negative = (*this)(negative_prompt(sample, recipe));
  return text;
}

}  // namespace trireme
