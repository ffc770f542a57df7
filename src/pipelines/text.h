// From prompts to text embeddings, as each family's pipeline in diffusers assembles them:
// tokenizers and text encoders together. One prompt at a time, so that its embeddings do not depend
// on its neighbours. The encoders may be cut over a tensor group; the ranks of it call together.
#pragma once

#include <ATen/ATen.h>

#include <compare>
#include <memory>
#include <optional>
#include <string>

#include "src/encoders/clip.h"
#include "src/encoders/t5.h"
#include "src/pipelines/recipe.h"
#include "src/tokenizers/clean_caption.h"
#include "src/tokenizers/tokenizer.h"
#include "src/transformers/denoiser.h"

namespace trireme {

// What the encoders read: one prompt, or one negative prompt, with its choices.
struct Prompt {
  std::string text;    // CLIP-L's, and PixArt's
  std::string text_2;  // OpenCLIP bigG's
  std::string text_3;  // T5's
  int64_t clip_skip = 0;
  int64_t max_sequence_length = 0;
  bool clean_caption = false;

  auto operator<=>(const Prompt&) const = default;
};

// A missing second or third text is the first; clip_skip is the positive prompt's alone.
Prompt positive_prompt(const Sample& sample, const Recipe& recipe);
Prompt negative_prompt(const Sample& sample, const Recipe& recipe);

class TextEncoders {
 public:
  virtual ~TextEncoders() = default;
  // A batch of one.
  virtual TextEmbeddings operator()(const Prompt& prompt) const = 0;
  // FLOPs (parallel/flops.h) of this rank for it.
  virtual int64_t flops(const Prompt& prompt) const = 0;
};

// CLIP-L and bigG side by side on channels, padded to T5's width, with T5's tokens behind them. The
// pooled text is that of both CLIPs. Padding is seen. Without T5 its tokens are zeros.
class Sd3TextEncoders : public TextEncoders {
 public:
  struct Clip {
    std::shared_ptr<const Tokenizer> tokenizer;
    ClipTextModel encoder;
  };
  struct T5 {
    std::shared_ptr<const Tokenizer> tokenizer;
    T5Encoder encoder;
  };
  Sd3TextEncoders(Clip clip_l, Clip clip_g, std::optional<T5> t5, int64_t width, at::Device device);
  TextEmbeddings operator()(const Prompt& prompt) const override;
  int64_t flops(const Prompt& prompt) const override;

 private:
  at::Tensor t5_hidden(const Prompt& prompt, const at::TensorOptions& options) const;

  Clip clip_l_, clip_g_;
  std::optional<T5> t5_;
  int64_t width_;  // of T5's embeddings, and of the whole
  at::Device device_;
};

// T5 with its mask: the transformer sees no padding.
class PixArtTextEncoders : public TextEncoders {
 public:
  PixArtTextEncoders(std::shared_ptr<const Tokenizer> tokenizer, T5Encoder encoder,
                     at::Device device);
  TextEmbeddings operator()(const Prompt& prompt) const override;
  int64_t flops(const Prompt& prompt) const override;

 private:
  CaptionCleaner cleaner_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  T5Encoder encoder_;
  at::Device device_;
};

}  // namespace trireme
