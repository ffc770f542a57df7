// RecentEmbeddings: the text embeddings of the prompts used last, so that a prompt that comes
// again, the negative one above all, is encoded once. On the text encoders' ranks: asked for the
// same prompts in the same order they hold and miss the same ones.
#pragma once

#include <list>
#include <map>
#include <utility>

#include "src/pipelines/pipeline.h"

namespace trireme {

class RecentEmbeddings {
 public:
  // Keeps so many bytes of them at most, and the last one in any case. `pipeline` must outlive
  // this.
  explicit RecentEmbeddings(const Pipeline& pipeline, int64_t kept_bytes = kKeptBytes)
      : pipeline_(pipeline), kept_bytes_(kept_bytes) {}

  TextEmbeddings operator()(const Prompt& prompt);
  // The sample's own and, where guidance is on, its negative prompt's. A batch of one.
  Conditioning operator()(const Sample& sample, const Recipe& recipe);

  // FLOPs of this rank since it was asked last.
  int64_t take_flops() { return std::exchange(flops_, 0); }

 private:
  // T5-XXL's of SD3 take 5.5 MB a prompt in float32.
  static constexpr int64_t kKeptBytes = 64 << 20;

  struct Entry {
    Prompt prompt;
    TextEmbeddings text;
  };
  using Entries = std::list<Entry>;

  const Pipeline& pipeline_;
  int64_t kept_bytes_;
  int64_t bytes_ = 0, flops_ = 0;
  Entries recent_;  // the one used last first
  std::map<Prompt, Entries::iterator> by_prompt_;
};

}  // namespace trireme
