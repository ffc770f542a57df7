// What the text encoders of a family say of their FLOPs for a prompt is what ran.
#include "src/pipelines/text.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/executed_flops.h"
#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"

namespace trireme {
namespace {

constexpr int64_t kClipTokens = 77, kT5Tokens = 50, kWidth = 32;
constexpr T5Config kT5{
    .vocab = 61, .width = kWidth, .hidden = 47, .layers = 2, .heads = 5, .head_dim = 8};
constexpr ClipConfig kClip{.vocab = 61,
                           .positions = kClipTokens,
                           .width = 15,
                           .hidden = 53,
                           .layers = 3,
                           .heads = 5,
                           .projection = 24,
                           .eos = 60};

// A word is a token, whatever it says.
class WordTokenizer : public Tokenizer {
 public:
  WordTokenizer() : Tokenizer({.begin = 59, .end = 60, .pad = 0, .max_length = kClipTokens}) {}

 protected:
  std::vector<int64_t> text_ids(std::string_view text) const override {
    return std::vector<int64_t>(1 + std::count(text.begin(), text.end(), ' '), 7);
  }
};

const Prompt kPrompt{.text = "a trireme",
                     .text_2 = "a ship",
                     .text_3 = "three ranks of oars",
                     .max_sequence_length = kT5Tokens};

Sd3TextEncoders sd3(const Group& tensor, bool with_t5) {
  const auto tokenizer = std::make_shared<WordTokenizer>();
  const auto clip = [&] {
    return Sd3TextEncoders::Clip{tokenizer, ClipTextModel(kClip, random_weights(), tensor)};
  };
  std::optional<Sd3TextEncoders::T5> t5;
  if (with_t5) t5.emplace(Sd3TextEncoders::T5{tokenizer, T5Encoder(kT5, random_weights(), tensor)});
  return Sd3TextEncoders(clip(), clip(), std::move(t5), kWidth, at::kCPU);
}

TEST(FlopsOfTextEncoders, Sd3CountsBothClipsAndT5OnEveryRank) {
  for (const int ranks : {1, 2, 3}) {
    run_ranks(ranks, [&](Group world) {
      for (const bool with_t5 : {false, true}) {
        const auto encoders = sd3(world, with_t5);
        const auto ran = executed_flops([&] { encoders(kPrompt); });
        EXPECT_EQ(encoders.flops(kPrompt), ran) << world.rank() << " of " << ranks;
      }
    });
  }
}

TEST(FlopsOfTextEncoders, PixArtCountsItsT5) {
  for (const int ranks : {1, 2, 3}) {
    run_ranks(ranks, [&](Group world) {
      const PixArtTextEncoders encoders(std::make_shared<WordTokenizer>(),
                                        T5Encoder(kT5, random_weights(), world), at::kCPU);
      const auto ran = executed_flops([&] { encoders(kPrompt); });
      EXPECT_EQ(encoders.flops(kPrompt), ran) << world.rank() << " of " << ranks;
    });
  }
}

}  // namespace
}  // namespace trireme
