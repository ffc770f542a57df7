// RecentEmbeddings: the text embeddings of the prompts seen last, so that the negative prompt,
// above all, is encoded once. On the text encoders' ranks: asked for the same prompts in the same
// order they hold and miss the same ones.
#pragma once

#include <map>

#include "src/pipelines/pipeline.h"

namespace trireme {

class RecentEmbeddings {
 public:
  // `pipeline` must outlive this.
  explicit RecentEmbeddings(const Pipeline& pipeline) : pipeline_(pipeline) {}

  TextEmbeddings operator()(const Prompt& prompt);
  // The sample's own and, where guidance is on, its negative prompt's. A batch of one.
  Conditioning operator()(const Sample& sample, const Recipe& recipe);

 private:
  const Pipeline& pipeline_;
  std::map<Prompt, TextEmbeddings> recent_;
};

}  // namespace trireme
