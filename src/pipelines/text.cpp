#include "src/pipelines/text.h"

namespace trireme {
namespace {

const std::string& first_given(const std::string& own, const std::string& fallback) {
  return own.empty() ? fallback : own;
}

at::Tensor row(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).unsqueeze(0).to(device);
}

}  // namespace

Prompt positive_prompt(const Sample& sample, const Recipe& recipe) {
  return {.text = sample.prompt,
          .text_2 = first_given(sample.prompt_2, sample.prompt),
          .text_3 = first_given(sample.prompt_3, sample.prompt),
          .clip_skip = recipe.clip_skip,
          .max_sequence_length = recipe.max_sequence_length,
          .clean_caption = recipe.clean_caption};
}

Prompt negative_prompt(const Sample& sample, const Recipe& recipe) {
  const auto& s = sample.sampling;
  return {.text = s.negative_prompt,
          .text_2 = first_given(s.negative_prompt_2, s.negative_prompt),
          .text_3 = first_given(s.negative_prompt_3, s.negative_prompt),
          .max_sequence_length = recipe.max_sequence_length,
          .clean_caption = recipe.clean_caption};
}

Sd3TextEncoders::Sd3TextEncoders(Clip clip_l, Clip clip_g, std::optional<T5> t5, int64_t width,
                                 at::Device device)
    : clip_l_(std::move(clip_l)),
      clip_g_(std::move(clip_g)),
      t5_(std::move(t5)),
      width_(width),
      device_(device) {}

TextEmbeddings Sd3TextEncoders::operator()(const Prompt& prompt) const {
  // diffusers pads both to the first tokenizer's length.
  const auto length = clip_l_.tokenizer->max_length();
  const auto encode = [&](const Clip& clip, const std::string& text) {
    const auto tokens = clip.tokenizer->encode(text, length);
    return clip.encoder(row(tokens.ids, device_), prompt.clip_skip);
  };
  const auto l = encode(clip_l_, prompt.text), g = encode(clip_g_, prompt.text_2);
  const auto clips = at::cat({l.hidden, g.hidden}, -1);
  const auto padded = at::constant_pad_nd(clips, {0, width_ - clips.size(-1)});
  const auto t5 = t5_hidden(prompt, padded.options());
  return {.hidden = at::cat({padded, t5}, 1),
          .pooled = at::cat({l.pooled, g.pooled}, -1),
          .mask = at::Tensor()};
}

int64_t Sd3TextEncoders::flops(const Prompt& prompt) const {
  const auto length = clip_l_.tokenizer->max_length();
  return clip_l_.encoder.flops(length) + clip_g_.encoder.flops(length) +
         (t5_ ? t5_->encoder.flops(prompt.max_sequence_length) : 0);
}

at::Tensor Sd3TextEncoders::t5_hidden(const Prompt& prompt,
                                      const at::TensorOptions& options) const {
  if (!t5_) return at::zeros({1, prompt.max_sequence_length, width_}, options);
  const auto tokens = t5_->tokenizer->encode(prompt.text_3, prompt.max_sequence_length);
  return t5_->encoder(row(tokens.ids, device_));
}

PixArtTextEncoders::PixArtTextEncoders(std::shared_ptr<const Tokenizer> tokenizer,
                                       T5Encoder encoder, at::Device device)
    : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)), device_(device) {}

TextEmbeddings PixArtTextEncoders::operator()(const Prompt& prompt) const {
  const auto text = prompt.clean_caption ? cleaner_(prompt.text) : lower_strip(prompt.text);
  const auto tokens = tokenizer_->encode(text, prompt.max_sequence_length);
  const auto mask = row(tokens.mask, device_);
  return {.hidden = encoder_(row(tokens.ids, device_), mask), .pooled = at::Tensor(), .mask = mask};
}

int64_t PixArtTextEncoders::flops(const Prompt& prompt) const {
  return encoder_.flops(prompt.max_sequence_length);
}

}  // namespace trireme
